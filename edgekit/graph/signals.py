"""Networks over lines (signals, [N, C, L]) as networks over images of height 1: one family of kernels serves both.

Convolutions and pools over lines are wrapped in Unsqueeze and Squeeze, and the Squeezes are moved down until they meet
the next Unsqueeze and vanish with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.graph.draft import Draft
from edgekit.graph.messages import attributes, make_node, set_attributes
from edgekit.operators import operators_that

if TYPE_CHECKING:
    from onnx import NodeProto

WINDOWED = ("Conv", "ConvTranspose", "MaxPool", "AveragePool")
LIFTED = (*WINDOWED, "GlobalAveragePool", "GlobalMaxPool", "BatchNormalization")
PER_VALUE = operators_that(lambda row: row.per_value)
HEIGHT = 2
"""Where the axis of size 1 is put in."""


def line_to_image(draft: Draft, node: NodeProto) -> bool:
    """A convolution or pool over a line works on an image of height 1."""
    if node.op_type not in LIFTED or len(draft.shapes.get(node.input[0], ())) != 3 or len(node.output) > 1:
        return False
    weights = draft.constant(node, 1)
    if node.op_type in ("Conv", "ConvTranspose"):
        if weights is None:
            return False
        draft.set_input(node, 1, draft.add_constant(f"{node.input[1]}_image", np.expand_dims(weights, HEIGHT)))
    if node.op_type in WINDOWED:
        set_attributes(node, **_image_options(attributes(node)))
    source, target = node.input[0], node.output[0]
    axes = draft.add_integers(f"{target}_height", [HEIGHT])
    lifted = draft.put("Unsqueeze", [source, axes], f"{source}_image", _with_height(draft.shapes[source]))
    inputs, options = [lifted, *node.input[1:]], {"name": node.name, **attributes(node)}
    result = draft.put(node.op_type, inputs, f"{target}_image", _with_height(draft.shapes[target]), **options)
    draft.replace(node, make_node("Squeeze", [result, axes], [target]))
    return True


def squeeze_later(draft: Draft, node: NodeProto) -> bool:
    """What treats each value by itself may as well do so before a Squeeze."""
    if node.op_type not in PER_VALUE or len(node.output) != 1:
        return False
    squeeze = draft.own_maker(node.input[0], ["Squeeze"])
    if squeeze is None or not _takes_height(draft, squeeze):
        return False
    target, between = node.output[0], draft.new_name(f"{node.output[0]}_image")
    image = squeeze.input[0]
    draft.remove(squeeze)
    draft.remove(node)
    node.input[0], node.output[0] = image, between
    squeeze.input[0], squeeze.output[0] = between, target
    draft.shapes[between] = draft.shapes[image]
    draft.add(node)
    draft.add(squeeze)
    return True


def squeeze_pairs_later(draft: Draft, node: NodeProto) -> bool:
    """Two lines that are added or multiplied may as well be two images."""
    if node.op_type not in ("Add", "Mul", "Sub") or any(name in draft.constants for name in node.input):
        return False
    squeezes = [draft.producer(name) for name in node.input]
    if any(item is None or item.op_type != "Squeeze" or not _takes_height(draft, item) for item in squeezes):
        return False
    images = [item.input[0] for item in squeezes if item is not None]
    axes = next(item.input[1] for item in squeezes if item is not None)
    target = node.output[0]
    between = draft.put(node.op_type, images, f"{target}_image", _with_height(draft.shapes[target]), name=node.name)
    lines = list(node.input)
    draft.replace(node, make_node("Squeeze", [between, axes], [target]))
    for name in lines:
        draft.drop_unread(name)
    return True


def unsqueeze_of_squeeze(draft: Draft, node: NodeProto) -> bool:
    """An Unsqueeze puts back what a Squeeze took out."""
    maker = draft.producer(node.input[0]) if node.op_type in ("Unsqueeze", "Squeeze") else None
    if maker is None or {node.op_type, maker.op_type} != {"Squeeze", "Unsqueeze"}:
        return False
    source, between = maker.input[0], maker.output[0]
    shape = draft.shapes.get(source)
    if not shape or shape != draft.shapes.get(node.output[0]) or not draft.bypass(node, source):
        return False
    draft.drop_unread(between)
    return True


def _takes_height(draft: Draft, node: NodeProto) -> bool:
    axes = draft.constant(node, 1)
    return axes is not None and axes.tolist() == [HEIGHT] and len(draft.shapes.get(node.input[0], ())) == 4


def _with_height(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*shape[:HEIGHT], 1, *shape[HEIGHT:])


def _image_options(options: dict[str, Any]) -> dict[str, Any]:
    """The attributes of a window over an image, of those over a line."""
    neutral = {"kernel_shape": 1, "strides": 1, "dilations": 1, "output_padding": 0, "output_shape": 1}
    lifted = {name: [value, *options[name]] for name, value in neutral.items() if name in options}
    if "pads" in options:
        start, end = options["pads"]
        lifted["pads"] = [0, start, 0, end]
    return lifted


LINES = (line_to_image, squeeze_later, squeeze_pairs_later, unsqueeze_of_squeeze)
