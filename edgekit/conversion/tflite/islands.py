"""Float operators inside a quantized graph: what they read is dequantized before them, what they hand on is quantized.

An operator computes in integers if all its real values are quantized and it has an int8 form; any other is float.
"""

from __future__ import annotations

from dataclasses import replace

from edgekit.operators import row_of
from edgekit.operators.nodes import Graph, Node, Tensor

CONVERSIONS = frozenset({"QuantizeLinear", "DequantizeLinear"})


def with_conversions(graph: Graph) -> Graph:
    """The graph with a DequantizeLinear or QuantizeLinear wherever a float operator meets a quantized value."""
    tensors, nodes = dict(graph.tensors), list[Node]()
    floats: dict[str, str] = {}
    for node in graph.nodes:
        is_mixed = any(_is_quantized(graph, name) for name in (*node.inputs, *node.outputs))
        if node.op in CONVERSIONS or is_integer(graph, node) or not is_mixed:
            nodes.append(node)
            continue
        names = list(node.inputs)
        for position, name in enumerate(names):
            if not _is_quantized(graph, name):
                continue
            if name not in floats:
                floats[name] = _add_float(tensors, graph.tensors[name])
                nodes.append(Node("DequantizeLinear", "", (name,), (floats[name],)))
            names[position] = floats[name]
        made = [_add_float(tensors, tensors[name]) if _is_quantized(graph, name) else name for name in node.outputs]
        nodes.append(replace(node, inputs=tuple(names), outputs=tuple(made)))
        nodes.extend(
            Node("QuantizeLinear", "", (real,), (name,))
            for name, real in zip(node.outputs, made, strict=True)
            if real != name
        )
    return replace(graph, tensors=tensors, nodes=tuple(nodes))


def is_integer(graph: Graph, node: Node) -> bool:
    """True if an operator has an int8 form and all its real values are quantized."""
    row = row_of(node.op)
    if row.int8 is None:
        return False
    weighted = row.weights is not None
    tensors = [graph.tensors[name] for name in (*node.inputs, *node.outputs) if name]
    real = [tensor for tensor in tensors if tensor.quant is not None or tensor.dtype.startswith("float")]
    return all(tensor.quant is not None for tensor in real if tensor.data is None or weighted)


def _is_quantized(graph: Graph, name: str) -> bool:
    tensor = graph.tensors.get(name)
    return tensor is not None and tensor.quant is not None and tensor.data is None


def _add_float(tensors: dict[str, Tensor], stored: Tensor) -> str:
    name = f"{stored.name} in float"
    while name in tensors:
        name += " again"
    tensors[name] = Tensor(name, stored.shape, "float32")
    return name
