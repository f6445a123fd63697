"""Which tensors of a float graph are stored as int8, and which of them share one scale and zero point."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgekit.errors import UnsupportedError
from edgekit.operators import operators_that, row_of
from edgekit.operators.lowering import ACTIVATION_LIMITS
from edgekit.quantization.ranges import METHODS, Range
from edgekit.scales import PIXELS, Quantization, range_quantization

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

    from edgekit.inputs.contract import InputContract
    from edgekit.quantization.histogram import Histogram

INTEGER = operators_that(lambda row: row.int8)
TYING = operators_that(lambda row: row.int8 and row.int8.ties)
FUSING = operators_that(lambda row: row.takes_activation and row.int8 and not row.int8.ties)
"""A runtime computes an activation function inside such an operator, so no rounding happens in between."""


@dataclass(frozen=True)
class Group:
    """Stored tensors that share one scale and zero point: ``fixed`` ones, or by a range that calibration finds."""

    tensors: tuple[str, ...]
    fixed: Quantization | None = None

    def range(self, method: str, histograms: Mapping[str, Histogram]) -> Range:
        """The hull of its tensors' ranges by one range method."""
        ranges = [METHODS[method](histograms[name]) for name in self.tensors]
        return min(low for low, _ in ranges), max(high for _, high in ranges)


def check_operators(model: ModelProto) -> None:
    """Raise UnsupportedError, naming the node, if an operator has neither an int8 form nor one in float here."""
    constants = {item.name for item in model.graph.initializer}
    for node in model.graph.node:
        computed = any(name and name not in constants for name in node.input[1:])
        if computed and row_of(node.op_type).weights is not None:
            raise UnsupportedError(
                f"Node '{node.name or node.output[0]}' is a {node.op_type} whose weights are computed; only constant "
                "weights have an int8 form. Export the model with its trained weights in the file."
            )


def float_operators(model: ModelProto) -> tuple[str, ...]:
    """The operators that stay in float because 8 bits have no form of them, by their first outputs."""
    return tuple(str(node.output[0]) for node in model.graph.node if node.op_type not in INTEGER)


def tie_groups(model: ModelProto, contract: InputContract) -> tuple[Group, ...]:
    """The stored activation tensors of a prepared float model, in graph order, grouped by shared scale."""
    fixed = _fixed(model, contract)
    stored = stored_tensors(model)
    parent = {name: name for name in stored}

    def root(name: str) -> str:
        while parent[name] != name:
            name = parent[name]
        return name

    for node in model.graph.node:
        if node.op_type in TYING and node.output[0] in parent:
            inputs = [root(name) for name in node.input if name in parent]
            # What joins several is not clipped to the fixed range of one: that one is requantized instead.
            shared = len({fixed.get(name) for name in inputs}) == 1
            for name in inputs:
                for output in filter(None, node.output):
                    if shared or name not in fixed:
                        _tie(root(name), root(output), parent, fixed)
    members = defaultdict(list)
    for name in stored:
        members[root(name)].append(name)
    return tuple(Group(tuple(names), fixed.get(name)) for name, names in members.items())


def stored_tensors(model: ModelProto) -> tuple[str, ...]:
    """Graph inputs and operator outputs that are stored, in graph order.

    What an operator hands to an activation function that a runtime computes inside it is never stored.
    """
    graph = model.graph
    readers: dict[str, list[NodeProto]] = defaultdict(list)
    for node in graph.node:
        for name in node.input:
            readers[name].append(node)
    outputs = {item.name for item in graph.output}

    def is_stored(node: NodeProto, name: str) -> bool:
        fused = len(readers[name]) == 1 and node.op_type in FUSING and is_fused_activation(readers[name][0], graph)
        return name in outputs or not fused

    other = _not_real(graph)
    made = [(node, name) for node in graph.node for name in node.output if name and name not in other]
    given = [item.name for item in graph.input if item.name not in other]
    return (*given, *(name for node, name in made if is_stored(node, name)))


def _not_real(graph: GraphProto) -> set[str]:
    """Values of integer and other types, which are not quantized."""
    from onnx import TensorProto

    described = (*graph.input, *graph.value_info, *graph.output)
    types = {value.name: value.type.tensor_type.elem_type for value in described}
    return {name for name, kind in types.items() if kind not in (TensorProto.FLOAT, TensorProto.UNDEFINED)}


def is_fused_activation(node: NodeProto, graph: GraphProto) -> bool:
    """True for Relu and for Clip to [0, 6] or [-1, 1], which runtimes compute inside the operator before."""
    if node.op_type != "Clip":
        return node.op_type == "Relu"
    from onnx import numpy_helper

    constants = {item.name: item for item in graph.initializer}
    bounds = [numpy_helper.to_array(constants[name]) for name in node.input[1:] if name in constants]
    return tuple(float(bound.item()) for bound in bounds if bound.size == 1) in ACTIVATION_LIMITS


def affines(found: Sequence[Group], ranges: Sequence[Range]) -> dict[str, Quantization]:
    """The scale and zero point of every stored tensor; the i-th range is used where the i-th group is not fixed."""
    result = {}
    for group, (low, high) in zip(found, ranges, strict=True):
        result.update(dict.fromkeys(group.tensors, group.fixed or range_quantization(low, high)))
    return result


def _fixed(model: ModelProto, contract: InputContract) -> dict[str, Quantization]:
    """Scales that need no calibration: the input's follow from its contract, some outputs from the specification."""
    fixed = {item.name: input_affine(contract) for item in model.graph.input}
    for node in model.graph.node:
        rule = row_of(node.op_type).int8
        if rule is not None and rule.output is not None:
            fixed[node.output[0]] = rule.output
    return fixed


def input_affine(contract: InputContract) -> Quantization:
    """The scale and zero point of an input: bytes as they are where that fits, otherwise over all that can come in."""
    level = contract.mean[0]
    if set(contract.std) == {1.0} and set(contract.mean) == {level} and (255 * level).is_integer() and 0 <= level <= 1:
        return Quantization.per_tensor(PIXELS.scale, PIXELS.zero_point + round(255 * level))
    if contract.is_raw_pixels:
        return PIXELS
    mean, std = np.asarray(contract.mean), np.asarray(contract.std)
    return range_quantization(float(((0 - mean) / std).min()), float(((1 - mean) / std).max()))


def _tie(one: str, other: str, parent: dict[str, str], fixed: dict[str, Quantization]) -> None:
    """Join two groups under the one whose scale is fixed, if there is one."""
    child, head = (one, other) if other in fixed else (other, one)
    if child != head:
        parent[child] = head
