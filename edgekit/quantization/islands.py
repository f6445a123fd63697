"""Operators that go on in float behind one that 8 bits have no form of, so that what they compute is rounded once.

A GroupNorm is an InstanceNormalization whose results are multiplied by constants and added to others: if each of the
three is stored, they are rounded three times, and nothing is saved: the conversion to integers only comes earlier.
On a U-Net with 14 of them that costs 1.9 dB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.graph.messages import constants_of, readers_of
from edgekit.operators import row_of

if TYPE_CHECKING:
    from onnx import ModelProto

ARITHMETIC = ("Add", "Div", "Mul", "Sub")


def going_on_in_float(model: ModelProto) -> frozenset[str]:
    """Their first outputs: arithmetic of one computed value and a constant, and reshapes on the way to it.

    Nothing else reads that value, so no other conversion takes the place of the one that is left out.
    """
    constants, readers = constants_of(model), readers_of(model.graph.node)
    ends = {value.name for value in model.graph.output}
    found: set[str] = set()
    reshapes: dict[str, tuple[str, ...]] = {}  # since the last operator that computes, by each real value
    for node in model.graph.node:
        row = row_of(node.op_type)
        if row.int8 is None:
            reshapes.update(dict.fromkeys(node.output, ()))
            continue
        computed = [name for name in node.input if name and name not in constants]
        if len(computed) != 1 or computed[0] not in reshapes or computed[0] in ends or len(readers[computed[0]]) > 1:
            continue
        (name,), before = node.output, reshapes[computed[0]]
        if row.reshapes:
            reshapes[name] = (*before, name)
        elif node.op_type in ARITHMETIC:
            found.update(before, [name])
            reshapes[name] = ()
    return frozenset(found)
