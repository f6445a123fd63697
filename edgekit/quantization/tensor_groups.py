"""Which tensors of a float graph are stored as int8, and which of them share one scale and zero point."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgekit.data.intake import Intake, Pictures
from edgekit.errors import UnsupportedError
from edgekit.graph.families import Families
from edgekit.graph.messages import readers_of, types_of
from edgekit.operators import operators_that, row_of
from edgekit.operators.lowering import ACTIVATION_LIMITS
from edgekit.quantization.feature_scales import feature_scales
from edgekit.quantization.islands import beside_islands, never_stored
from edgekit.quantization.ranges import METHODS, Range
from edgekit.scales import PIXELS, Quantization, range_quantization

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto

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


def float_operators(model: ModelProto) -> frozenset[str]:
    """Operators that stay in float in every plan, by their first outputs: for want of a form, or to spare a step."""
    formless = (str(node.output[0]) for node in model.graph.node if node.op_type not in INTEGER)
    return frozenset((*formless, *sparing_floats(model)))


def sparing_floats(model: ModelProto) -> frozenset[str]:
    """Of these the ones with an 8-bit form: beside others in float, or scaling the features of a table."""
    scaling = (name for names in feature_scales(model).values() for name in names)
    return frozenset((*scaling, *beside_islands(model)))


def tie_groups(model: ModelProto, intake: Intake) -> tuple[Group, ...]:
    """The stored activation tensors of a prepared float model, in graph order, grouped by shared scale."""
    fixed = _fixed(model, intake)
    stored = stored_tensors(model)
    groups = Families(stored)
    for node in model.graph.node:
        if node.op_type in TYING and node.output[0] in groups:
            inputs = [groups.head(name) for name in node.input if name in groups]
            # What joins several is not clipped to the fixed range of one: that one is requantized instead.
            shared = len({fixed.get(name) for name in inputs}) == 1
            for name in inputs:
                for output in (name for name in node.output if name in groups):
                    if shared or name not in fixed:
                        # Under the one whose scale is fixed, if there is one.
                        above, below = (output, name) if groups.head(output) in fixed else (name, output)
                        groups.join(above, below)
    members = defaultdict(list)
    for name in stored:
        members[groups.head(name)].append(name)
    return tuple(Group(tuple(names), fixed.get(name)) for name, names in members.items())


def stored_tensors(model: ModelProto) -> tuple[str, ...]:
    """Graph inputs and operator outputs that are stored, in graph order.

    What an operator hands to an activation function that a runtime computes inside it is never stored.
    """
    graph = model.graph
    readers = readers_of(graph.node)
    outputs = {item.name for item in graph.output}
    constants = {item.name: item for item in graph.initializer}

    def is_stored(node: NodeProto, name: str) -> bool:
        users = readers.get(name, [])
        fused = len(users) == 1 and node.op_type in FUSING and _is_fused_activation(users[0], constants)
        return name in outputs or not fused

    other = _not_real(graph) | feature_scales(model).keys() | never_stored(model)
    made = [(node, name) for node in graph.node for name in node.output if name and name not in other]
    given = [item.name for item in graph.input if item.name not in other]
    return (*given, *(name for node, name in made if is_stored(node, name)))


def _not_real(graph: GraphProto) -> set[str]:
    """Values of integer and other types, which are not quantized."""
    from onnx import TensorProto

    real = (TensorProto.FLOAT, TensorProto.UNDEFINED)
    return {name for name, kind in types_of(graph).items() if kind.elem_type not in real}


def _is_fused_activation(node: NodeProto, constants: Mapping[str, TensorProto]) -> bool:
    """True for Relu and for Clip to [0, 6] or [-1, 1], which runtimes compute inside the operator before."""
    if node.op_type != "Clip":
        return node.op_type == "Relu"
    from onnx import numpy_helper

    bounds = [numpy_helper.to_array(constants[name]) for name in node.input[1:] if name in constants]
    return tuple(float(bound.item()) for bound in bounds if bound.size == 1) in ACTIVATION_LIMITS


def affines_by(method: str, found: Sequence[Group], histograms: Mapping[str, Histogram]) -> dict[str, Quantization]:
    """The scale of every tensor when one range method is taken for all groups."""
    return affines(found, [group.range(method, histograms) for group in found])


def affines(found: Sequence[Group], ranges: Sequence[Range]) -> dict[str, Quantization]:
    """The scale and zero point of every stored tensor; the i-th range is used where the i-th group is not fixed."""
    result = {}
    for group, (low, high) in zip(found, ranges, strict=True):
        result.update(dict.fromkeys(group.tensors, group.fixed or range_quantization(low, high)))
    return result


def _fixed(model: ModelProto, intake: Intake) -> dict[str, Quantization]:
    """Scales that need no calibration: a picture's follow from its contract, some outputs from the specification."""
    fixed = {}
    if isinstance(intake, Pictures):
        fixed = {item.name: input_affine(intake.contract) for item in model.graph.input}
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
