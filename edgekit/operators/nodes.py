"""The graph as lowerings read it: frozen records in which a quantized tensor is one tensor, not a chain of nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from edgekit.scales import Array, Quantization


@dataclass(frozen=True)
class Tensor:
    """One value: its shape in ONNX's order, its stored numpy type, its data if it is constant."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    data: Array | None = None
    quant: Quantization | None = None


@dataclass(frozen=True)
class Node:
    """One operator; absent optional inputs have an empty name. ``activation`` is '', 'Relu', 'Relu6' or 'ReluN1'."""

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    activation: str = ""

    def __str__(self) -> str:
        return f"{self.op} '{self.name or self.outputs[0]}'"


@dataclass(frozen=True)
class Graph:
    """Tensors by name, nodes in order of computation, names of the model's inputs and outputs."""

    tensors: Mapping[str, Tensor]
    nodes: tuple[Node, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def users(self, name: str) -> list[Node]:
        """The nodes that read a tensor, in order."""
        return self._readers.get(name, [])

    def producer(self, name: str) -> Node | None:
        """The node that computes a tensor; None for inputs and constants."""
        return self._makers.get(name)

    @cached_property
    def _readers(self) -> dict[str, list[Node]]:
        readers: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                readers.setdefault(name, []).append(node)
        return readers

    @cached_property
    def _makers(self) -> dict[str, Node]:
        return {name: node for node in self.nodes for name in node.outputs}
