"""Inner units: a quantized network's integers stay the same while its inner real values are measured in other units.

Behind a convolution without an upper clip, real values may be counted in steps of their own int8 scale: that scale
becomes 1, and the factor moves into the weights' scales on both sides. Then a bias, whose scale must be
``input scale * weight scale`` by the LiteRT 8-bit specification, has the very scales of the weights, and all inner
tensors share one scale: each is written into the file once. Inputs and outputs of the model keep their units.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from edgekit.graph.families import Families
from edgekit.operators import row_of
from edgekit.operators.nodes import Graph, Node, Tensor
from edgekit.operators.operator import BIAS


def unit_scales(graph: Graph) -> Graph:
    """Give the inner tensors of a quantized graph the scale 1 wherever the operators around them allow it."""
    units = _Units(graph)
    tensors = {name: _scaled(tensor, units.factor(name)) for name, tensor in graph.tensors.items()}
    nodes = []
    for node in graph.nodes:
        factor = units.factor(node.outputs[0])
        names = list(node.inputs)
        weighted = row_of(node.op).weights is not None
        if weighted:
            factor /= units.factor(names[0])
        for position, name in enumerate(names):
            constant = graph.tensors.get(name)
            if constant is None or constant.data is None or constant.quant is None or (weighted and position == BIAS):
                continue
            # A constant that several nodes read may need another scale for each of them.
            names[position] = f"{name} of {node.outputs[0]}"
            tensors[names[position]] = replace(_scaled(constant, factor), name=names[position])
        nodes.append(replace(node, inputs=tuple(names)))
    return replace(graph, tensors=tensors, nodes=tuple(nodes))


class _Units:
    """Groups of tensors that must keep one unit, and the factor from the old unit to the new."""

    def __init__(self, graph: Graph) -> None:
        tensors = graph.tensors.items()
        self.families = Families(name for name, item in tensors if item.data is None and item.quant is not None)
        fixed = {*graph.inputs, *graph.outputs}
        for node in graph.nodes:
            activations = [name for name in (*node.inputs, *node.outputs) if name in self.families]
            if _is_linear(graph, node):
                for one, other in pairwise(activations):
                    self.families.join(one, other)
            elif row_of(node.op).weights is None:
                fixed.update(activations)
            enters_integers = node.op == "QuantizeLinear" and node.inputs[0] not in self.families
            if enters_integers or node.activation not in ("", "Relu"):
                fixed.update(node.outputs)
        held = {self.families.head(name) for name in fixed if name in self.families}
        self.factors: dict[str, float] = {}
        for name in self.families:
            root, quant = self.families.head(name), graph.tensors[name].quant
            assert quant is not None
            self.factors.setdefault(root, 1.0 if root in held else 1.0 / quant.scale)

    def factor(self, name: str) -> float:
        """New unit per old: real values and scales are multiplied by it; 1 for all but quantized activations."""
        return self.factors[self.families.head(name)] if name in self.families else 1.0


def _is_linear(graph: Graph, node: Node) -> bool:
    if node.op == "Pad" and len(node.inputs) > 2 and node.inputs[2]:
        value = graph.tensors[node.inputs[2]].data
        return value is not None and not value.any()
    return row_of(node.op).linear


def _scaled(tensor: Tensor, factor: float) -> Tensor:
    if tensor.quant is None or factor == 1.0:
        return tensor
    return replace(tensor, quant=tensor.quant.scaled(factor))
