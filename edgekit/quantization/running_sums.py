"""Sums that run through the steps of a recurrence, as the cell of an LSTM: 8 bits would round them anew in each step.

On a keyword spotter of 48 units over 49 steps, tried once, leaving these sums and what reads them in float raised the
signal to noise of the int8 file from 20.6 to 29.3 dB, at the same time on one thread of a Xeon.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.graph.messages import constants_of, makers_of, readers_of

if TYPE_CHECKING:
    from onnx import ModelProto

SHORTEST = 3
"""Sums in a row that are taken for steps of a recurrence."""
VALUED = ("Mul", "Add", "Sub", "Tanh", "Relu")
"""What a recurrence does with its sums, value by value."""


def running_sums(model: ModelProto) -> frozenset[str]:
    """The first outputs of the operators to leave in float: sums ``gate · sum before + value``, and what reads them.

    The gate is computed, and nothing else lies between one sum and the next. Layers that read a sum stay in integers.
    """
    nodes, constants = model.graph.node, constants_of(model)
    makers, readers = makers_of(nodes), readers_of(nodes)
    before: dict[str, str] = {}
    length: dict[str, int] = {}
    for node in nodes:
        if node.op_type != "Add":
            continue
        products = [makers[name] for name in node.input if name in makers and makers[name].op_type == "Mul"]
        factors = [name for product in products if constants.keys().isdisjoint(product.input) for name in product.input]
        name = str(node.output[0])
        earlier = max((factor for factor in factors if factor in length), key=length.__getitem__, default="")
        before[name], length[name] = earlier, length.get(earlier, 0) + 1
    found: set[str] = set()
    for name in sorted(length, key=length.__getitem__, reverse=True):
        if length[name] < SHORTEST and name not in found:
            continue
        if before[name]:
            found.add(before[name])
        found.add(name)
    around = {str(reader.output[0]) for name in found for reader in readers.get(name, []) if reader.op_type in VALUED}
    return frozenset(found | around)
