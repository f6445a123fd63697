"""What ONNX's messages say, as Python values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TypeProto

Array = NDArray[Any]
OWN = ("", "ai.onnx")
"""The names of the domain of ONNX's own operators."""


def make_node(operator: str, inputs: Iterable[str], outputs: Iterable[str], name: str = "", **values: Any) -> NodeProto:
    """A node of ONNX's own operators; ``values`` are its attributes, None for one that is left out."""
    from onnx import helper

    return helper.make_node(operator, list(inputs), list(outputs), name, **values)


def constants_of(model: ModelProto) -> dict[str, Array]:
    """The arrays of a model's initializers, by name."""
    from onnx import numpy_helper

    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def replaceable(model: ModelProto) -> set[str]:
    """The constants that are inputs with a default value: ONNX Runtime keeps them as they are, for slower kernels.

    Files of IR version 3 list all constants as inputs, and mean constants (ONNX specification, IR.md, "Graphs").
    """
    given = {value.name for value in model.graph.input} if model.ir_version > 3 else set()
    return given & {tensor.name for tensor in model.graph.initializer}


def types_of(graph: GraphProto) -> dict[str, TypeProto.Tensor]:
    """The element type and shape of each value that a graph describes."""
    described = (*graph.input, *graph.value_info, *graph.output)
    return {value.name: value.type.tensor_type for value in described}


def sizes_of(graph: GraphProto) -> dict[str, tuple[int, ...]]:
    """The dimensions of each value that a graph describes; 0 where one is open."""
    return {name: tuple(dim.dim_value for dim in kind.shape.dim) for name, kind in types_of(graph).items()}


def makers_of(nodes: Iterable[NodeProto]) -> dict[str, NodeProto]:
    """The node that computes each value."""
    return {name: node for node in nodes for name in node.output if name}


def readers_of(nodes: Iterable[NodeProto]) -> dict[str, list[NodeProto]]:
    """The nodes that read each value, in order; a value that nobody reads is not in it."""
    readers: dict[str, list[NodeProto]] = {}
    for node in nodes:
        for name in dict.fromkeys(node.input):
            readers.setdefault(name, []).append(node)
    return readers


def in_order(nodes: Iterable[NodeProto], makers: Mapping[str, NodeProto]) -> list[NodeProto]:
    """The nodes, each behind those of ``makers`` whose results it reads; where that holds already, as they are."""
    ordered: dict[int, NodeProto] = {}
    visited: set[int] = set()
    for start in nodes:
        pending = [(start, False)]
        while pending:
            node, is_ready = pending.pop()
            if is_ready:
                ordered[id(node)] = node
            elif id(node) not in visited:
                visited.add(id(node))
                pending.append((node, True))
                read = [makers[name] for name in all_inputs(node) if name in makers]
                pending.extend((maker, False) for maker in reversed(read) if id(maker) not in visited)
    return list(ordered.values())


def opset_version(model: ModelProto) -> int:
    """The version of the standard operator set that a model asks for."""
    return int(next(entry.version for entry in model.opset_import if entry.domain in OWN))


def complaint(exc: BaseException) -> str:
    """The beginning of what ONNX's own code says of a model, in one line."""
    return " ".join(str(exc).split())[:200]


def attributes(node: NodeProto) -> dict[str, Any]:
    """A node's attributes as Python values, text as str."""
    from onnx import helper

    values = {item.name: helper.get_attribute_value(item) for item in node.attribute}
    texts = {name: value.decode(errors="replace") for name, value in values.items() if isinstance(value, bytes)}
    return values | texts


def set_attributes(node: NodeProto, **values: Any) -> None:
    """Set attributes of a node; None removes one."""
    from onnx import helper

    kept = [item for item in node.attribute if item.name not in values]
    fresh = [helper.make_attribute(name, value) for name, value in values.items() if value is not None]
    del node.attribute[:]
    node.attribute.extend([*kept, *fresh])


def all_inputs(node: NodeProto) -> dict[str, None]:
    """What a node reads, in order, including what its subgraphs read from outside."""
    names = dict.fromkeys(node.input)
    for item in node.attribute:
        if item.type not in (item.GRAPH, item.GRAPHS):
            continue
        for graph in (item.g, *item.graphs):
            for inner in graph.node:
                names |= all_inputs(inner)
            names.update((value.name, None) for value in graph.output)
    return names
