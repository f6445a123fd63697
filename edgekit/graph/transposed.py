"""Transposed convolutions in one form: one group, no dilation, padding explicit and never more than the kernel.

Each pass is of the kind that ``edgekit.graph.passes`` describes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgekit.graph.draft import Draft
from edgekit.graph.messages import attributes, make_node, set_attributes
from edgekit.graph.moves import padded, reshaped
from edgekit.graph.pools import halved, reaches

if TYPE_CHECKING:
    from onnx import NodeProto


def plain_conv_transpose(draft: Draft, node: NodeProto) -> bool:
    """``auto_pad`` and ``output_shape`` become ``pads``, and ``dilations`` of constant weights a kernel with zeros."""
    if node.op_type != "ConvTranspose":
        return False
    options, weights, shape = attributes(node), draft.constant(node, 1), draft.shapes[node.input[1]]
    ones = [1] * (len(shape) - 2)
    dilations, mode = options.get("dilations", ones), options.get("auto_pad", "NOTSET")
    is_padded = mode == "NOTSET" and "output_shape" not in options
    if is_padded and (weights is None or max(dilations) == 1):
        return False
    reach = reaches(shape[2:], dilations)
    if not is_padded:
        sizes, wanted = (draft.shapes[name][2:] for name in (node.input[0], node.output[0]))
        strides, extra = options.get("strides", ones), options.get("output_padding", [0] * len(ones))
        axes = zip(sizes, strides, extra, reach, wanted, strict=True)
        cut = [(size - 1) * stride + more + window - target for size, stride, more, window, target in axes]
        starts, ends = halved(cut, mode)
        set_attributes(node, auto_pad=None, output_shape=None, pads=[*starts, *ends])
    if weights is not None and max(dilations) > 1:
        spread = np.zeros((*shape[:2], *reach), weights.dtype)
        spread[(slice(None), slice(None), *(slice(None, None, step) for step in dilations))] = weights
        draft.set_input(node, 1, draft.add_constant(f"{node.input[1]}_spread", spread))
        set_attributes(node, dilations=None, kernel_shape=reach)
    return True


def split_groups(draft: Draft, node: NodeProto) -> bool:
    """A transposed convolution in groups is a convolution in groups over the image with zeros put between its pixels.

    TFLite has no groups in TRANSPOSE_CONV, and ONNX's layout of the weights has no axis of all output channels.
    """
    groups = attributes(node).get("group", 1) if node.op_type == "ConvTranspose" else 1
    weights = draft.constant(node, 1)
    if groups == 1 or weights is None or weights.ndim != 4:
        return False
    options = attributes(node)
    is_plain = options.get("auto_pad", "NOTSET") == "NOTSET" and "output_shape" not in options
    if not is_plain or max(options.get("dilations", [1])) > 1:
        return False
    strides, extra = options.get("strides", [1, 1]), options.get("output_padding", [0, 0])
    pads, kernel = options.get("pads", [0, 0, 0, 0]), weights.shape[2:]
    ends = [kernel[axis] - 1 - pads[axis + 2] + extra[axis] - (strides[axis] - 1) for axis in range(2)]
    starts = [kernel[axis] - 1 - pads[axis] for axis in range(2)]
    inputs, outputs = weights.shape[0] // groups, weights.shape[1]
    grouped = weights.reshape(groups, inputs, outputs, *kernel).swapaxes(1, 2)[..., ::-1, ::-1]
    flipped = np.ascontiguousarray(grouped.reshape(groups * outputs, inputs, *kernel))
    source = _with_zeros_between(draft, node.input[0], strides)
    if min(*starts, *ends) < 0:
        source = _cropped(draft, source, [max(-amount, 0) for amount in (*starts, *ends)])
        starts, ends = ([max(amount, 0) for amount in amounts] for amounts in (starts, ends))
    names = [source, draft.add_constant(f"{node.input[1]}_flipped", flipped), *node.input[2:]]
    draft.replace(node, make_node("Conv", names, node.output, node.name, group=groups, pads=[*starts, *ends]))
    return True


def _with_zeros_between(draft: Draft, source: str, strides: list[int]) -> str:
    """Put ``stride - 1`` zeros behind each pixel of an image, along height and width; return the value's name."""
    for axis, stride in zip((2, 3), strides, strict=True):
        if stride == 1:
            continue
        shape = draft.shapes[source]
        apart = (*shape[: axis + 1], 1, *shape[axis + 1 :])
        pads = np.zeros((2, len(apart)), np.int64)
        pads[1, axis + 1] = stride - 1
        source = reshaped(draft, source, apart)
        source = padded(draft, source, pads.reshape(-1).tolist())
        source = reshaped(draft, source, (*shape[:axis], shape[axis] * stride, *shape[axis + 1 :]))
    return source


def _cropped(draft: Draft, source: str, amounts: list[int]) -> str:
    """Cut rows and columns off an image: amounts at top, left, bottom and right."""
    shape = draft.shapes[source]
    starts, ends = amounts[:2], [shape[axis + 2] - amounts[axis + 2] for axis in range(2)]
    parts = {"starts": starts, "ends": ends, "axes": [2, 3]}
    names = [draft.add_integers(f"{source}_{kind}", values) for kind, values in parts.items()]
    left = (end - start for start, end in zip(starts, ends, strict=True))
    return draft.put("Slice", [source, *names], f"{source}_cropped", (*shape[:2], *left))


TRANSPOSED = (plain_conv_transpose, split_groups)
