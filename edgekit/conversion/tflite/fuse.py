"""Activation functions become part of the operator before them, where a runtime computes both at once."""

from __future__ import annotations

import math
from dataclasses import replace

from edgekit.operators import row_of
from edgekit.operators.lowering import ACTIVATION_LIMITS
from edgekit.operators.nodes import Graph, Node


def fuse_activations(graph: Graph) -> Graph:
    """Put each Relu, Clip(0, 6) and Clip(-1, 1) into the node before it, if that takes one.

    Only where nothing else needs the value in between, and that value is not quantized by itself.
    """
    nodes = {id(node): node for node in graph.nodes}
    for node in graph.nodes:
        kind = activation_kind(graph, node)
        maker = graph.producer(node.inputs[0]) if kind else None
        if maker is None or nodes.get(id(maker)) is not maker or maker.activation:
            continue
        between = graph.tensors[node.inputs[0]]
        read_elsewhere = len(graph.users(between.name)) > 1 or between.name in graph.outputs
        if read_elsewhere or between.quant is not None or not row_of(maker.op).takes_activation:
            continue
        nodes[id(maker)] = replace(maker, outputs=node.outputs, activation=kind)
        del nodes[id(node)]
    return replace(graph, nodes=tuple(nodes.values()))


def activation_kind(graph: Graph, node: Node) -> str:
    """Which activation a node is: 'Relu', 'Relu6', 'ReluN1', or '' if it is none of these."""
    if node.op == "Relu":
        return ACTIVATION_LIMITS[0.0, math.inf]
    if node.op == "Clip" and len(node.inputs) == 3:
        low, high = (graph.tensors[name].data if name else None for name in node.inputs[1:])
        if low is not None and high is not None and low.size == high.size == 1:
            return ACTIVATION_LIMITS.get((float(low.item()), float(high.item())), "")
    return ""
