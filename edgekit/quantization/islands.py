"""Operators that compute in float beside those that 8 bits have no form of, where that spares roundings or time.

A GroupNorm is an InstanceNormalization whose results are multiplied by constants and added to others: if each of the
three is stored, they are rounded three times, and nothing is saved: the conversion to integers only comes earlier. The
sums of a transformer are read by LayerNormalizations and by further sums: in float they are rounded nowhere on the way
through the network. Depthwise windows of more than 25 places XNNPACK computes in integers as a matrix product for each
channel, several times as slow as in float: before a LayerNormalization, as in a ConvNeXt, they stay real. What files
of such networks cost: ``benchmarks/quantize/normalized.json``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.graph.messages import constants_of, makers_of, readers_of
from edgekit.operators import row_of
from edgekit.quantization.weighted_layers import weighted_layers

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

MOST_PLACES = 25
"""Of a depthwise window, for which XNNPACK has a kernel of integers."""
ARITHMETIC = ("Add", "Div", "Mul", "Sub")


def beside_islands(model: ModelProto) -> frozenset[str]:
    """Their first outputs."""
    return _behind(model) | _read_in_float(model)


def never_stored(model: ModelProto) -> frozenset[str]:
    """Values that such an operator makes or reads, and that only operators in float make and read."""
    beside, makers, readers = beside_islands(model), makers_of(model.graph.node), readers_of(model.graph.node)
    floats = beside | {str(node.output[0]) for node in model.graph.node if row_of(node.op_type).int8 is None}
    ends = {value.name for value in model.graph.output}
    near = {name for node in model.graph.node if node.output[0] in beside for name in (*node.input, *node.output)}
    return frozenset(
        name
        for name in near - ends
        if name in makers and floats.issuperset(str(node.output[0]) for node in (makers[name], *readers[name]))
    )


def _behind(model: ModelProto) -> frozenset[str]:
    """Arithmetic of one computed value that is real with a constant, and reshapes on the way to it.

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
        name, before = str(node.output[0]), reshapes[computed[0]]
        if row.reshapes:
            reshapes[name] = (*before, name)
        elif node.op_type in ARITHMETIC:
            found.update(before, [name])
            reshapes[name] = ()
    return frozenset(found)


def _read_in_float(model: ModelProto) -> frozenset[str]:
    """Sums and wide depthwise windows that only operators in float read, and what moves their values on the way there.

    A value in integers that is added is converted in place of the sum.
    """
    readers, ends, wide = readers_of(model.graph.node), {value.name for value in model.graph.output}, _wide(model)
    found: set[str] = set()
    for node in reversed(model.graph.node):
        name, reading = str(node.output[0]), readers.get(node.output[0], [])
        stay = (row_of(reader.op_type).int8 is None or reader.output[0] in found for reader in reading)
        may = node.op_type == "Add" or name in wide or _moves(node)
        if may and reading and name not in ends and all(stay):
            found.add(name)
    reals: set[str] = set()
    for node in model.graph.node:
        if _moves(node) and node.input[0] not in reals:
            found.discard(str(node.output[0]))
        if row_of(node.op_type).int8 is None or node.output[0] in found:
            reals.update(node.output)
    return frozenset(found)


def _wide(model: ModelProto) -> set[str]:
    layers = (layer for layer in weighted_layers(model) if layer.groups > 1 and layer.weights.shape[1] == 1)
    return {layer.name for layer in layers if layer.kernel_size > MOST_PLACES}


def _moves(node: NodeProto) -> bool:
    return node.op_type == "Transpose" or row_of(node.op_type).reshapes
