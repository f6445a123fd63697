"""The first layer as ONNX Runtime's integer kernels compute it fastest, with the same integers.

Those of a convolution take its input channels by four. Of one or three channels, as images have them, they copy every
window first, which takes longer than multiplying it. So a layer of stride 2 reads each square of 2×2 pixels as
channels (SpaceToDepth), and any other one a channel of zeros more (Pad). What its kernel gets in addition is zero.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.conversion.compact import compact
from edgekit.graph.draft import Draft
from edgekit.graph.messages import attributes, make_node, set_attributes, sizes_of
from edgekit.quantization.plan import Plan, QuantizedWeights
from edgekit.quantization.qdq import insert_qdq
from edgekit.quantization.weighted_layers import WeightedLayer, weighted_layers
from edgekit.scales import Array

if TYPE_CHECKING:
    from onnx import ModelProto

TOGETHER = 4
"""Input channels, and output channels, that the kernels take at once."""
FEWEST_OUTPUTS = 16
MOST_PADDED = 2
"""Channels of zeros: with more of them there is more to multiply than is saved."""
MOST_GROWTH = 0.02
"""Of the model's weights: a small file is worth more than a fast first layer."""


@dataclass(frozen=True)
class _Form:
    """How a layer reads its input: ``operator`` with its amounts and attributes, then a kernel of other axes.

    ``rearranged`` takes weights [O, C, H, W], real or stored; ``window`` are the attributes of its convolution.
    """

    operator: str
    amounts: tuple[int, ...]
    values: dict[str, Any]
    rearranged: Callable[[Array], Array]
    window: dict[str, Any]


def fast_qdq(model: ModelProto, plan: Plan, io: str = "int8") -> ModelProto:
    """The int8 form of a prepared float model that is written for ONNX Runtime; ``io`` as of ``insert_qdq``."""
    return compact(insert_qdq(*with_fast_stem(model, plan), io, activations="uint8"))


def with_fast_stem(model: ModelProto, plan: Plan) -> tuple[ModelProto, Plan]:
    """A prepared float model and its plan, whose first layers read channels by four where that is worth it."""
    draft, weights, affines = Draft.from_model(model), dict(plan.weights), dict(plan.affines)
    total = sum(array.size for array in draft.constants.values())
    for layer in weighted_layers(model):
        source, node = str(layer.node.input[0]), draft.producer(layer.name)
        if source not in affines or source not in {value.name for value in draft.inputs} or layer.name in plan.floats:
            continue
        form = _form(layer, sizes_of(model.graph)[source])
        if node is None or form is None:
            continue
        kernel = form.rearranged(layer.weights)
        if kernel.size - layer.weights.size > MOST_GROWTH * total:
            continue
        read = draft.new_name(f"{source} by {TOGETHER}")
        amounts = [draft.add_integers(f"{read} amounts", form.amounts)] if form.amounts else []
        draft.add(make_node(form.operator, [source, *amounts], [read], **form.values))
        draft.set_input(node, 0, read)
        layer.give(draft, kernel, None)
        set_attributes(node, kernel_shape=kernel.shape[2:], **form.window)
        affines[read] = affines[source]
        if decided := weights.get(layer.name):
            weights[layer.name] = QuantizedWeights(form.rearranged(decided.stored), decided.quantization)
    draft.infer()
    draft.drop_unused()
    return draft.to_model(), replace(plan, weights=weights, affines=affines)


def _form(layer: WeightedLayer, size: tuple[int, ...]) -> _Form | None:
    """The better form of a layer of an input [1, C, H, W]; None where there is none."""
    outputs, channels, *kernel = layer.weights.shape
    suits = layer.node.op_type == "Conv" and len(kernel) == 2 and layer.groups == 1 and max(kernel) > 1
    if not suits or channels % TOGETHER == 0 or outputs % TOGETHER or outputs < FEWEST_OUTPUTS:
        return None
    return _by_squares(layer, size[2:]) or _with_zeros(-channels % TOGETHER)


def _by_squares(layer: WeightedLayer, size: tuple[int, ...]) -> _Form | None:
    """Squares of 2×2 pixels as channels, in SpaceToDepth's order: the layer's stride of 2 is one of 1 over them."""
    options, kernel = attributes(layer.node), layer.weights.shape[2:]
    starts, ends = np.reshape(options.get("pads", [0] * 4), (2, 2))
    if list(options.get("strides", ())) != [2, 2] or max(options.get("dilations", [1])) > 1 or any(np.mod(size, 2)):
        return None
    steps = (size + starts + ends - kernel) // 2 + 1
    front = starts % 2
    squares = (kernel + front + 1) // 2
    before = (starts + front) // 2
    after = steps - 1 + squares - np.floor_divide(size, 2) - before
    if min(after) < 0:
        return None
    grown = [(0, 0), (0, 0), *zip(front, 2 * squares - kernel - front, strict=True)]

    def rearranged(weights: Array) -> Array:
        outputs, channels = weights.shape[:2]
        split = np.pad(weights, grown).reshape(outputs, channels, squares[0], 2, squares[1], 2)
        moved = split.transpose(0, 3, 5, 1, 2, 4)
        return np.ascontiguousarray(moved.reshape(outputs, 4 * channels, *squares))

    window = {"strides": [1, 1], "pads": [*map(int, (*before, *after))]}
    return _Form("SpaceToDepth", (), {"blocksize": 2}, rearranged, window)


def _with_zeros(missing: int) -> _Form | None:
    """Channels of zeros, and zeros in the kernel for them."""
    if missing > MOST_PADDED:
        return None

    def rearranged(weights: Array) -> Array:
        return np.pad(weights, [(0, 0), (0, missing), (0, 0), (0, 0)])

    return _Form("Pad", (0, 0, 0, 0, 0, missing, 0, 0), {}, rearranged, {})
