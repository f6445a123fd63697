"""Transposed convolutions in one form: one group, no dilation, padding explicit and never more than the kernel.

Each pass is of the kind that ``edgekit.graph.passes`` describes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgekit.graph.draft import Draft
from edgekit.graph.messages import attributes, make_node, set_attributes
from edgekit.graph.moves import padded

if TYPE_CHECKING:
    from onnx import NodeProto


def plain_conv_transpose(draft: Draft, node: NodeProto) -> bool:
    """``auto_pad``, ``output_shape`` and ``dilations`` become ``pads``, ``output_padding`` and a kernel with zeros."""
    weights = draft.constant(node, 1) if node.op_type == "ConvTranspose" else None
    if weights is None or weights.ndim != 4:
        return False
    options = attributes(node)
    dilations = options.get("dilations", [1, 1])
    is_plain = options.get("auto_pad", "NOTSET") == "NOTSET" and "output_shape" not in options
    if is_plain and list(dilations) == [1, 1]:
        return False
    sizes, wanted = (draft.shapes[name][2:] for name in (node.input[0], node.output[0]))
    strides, extra = options.get("strides", [1, 1]), options.get("output_padding", [0, 0])
    reach = [(size - 1) * dilation + 1 for size, dilation in zip(weights.shape[2:], dilations, strict=True)]
    pads = list(options.get("pads", [0, 0, 0, 0]))
    if not is_plain:
        for axis in range(2):
            total = (sizes[axis] - 1) * strides[axis] + extra[axis] + reach[axis] - wanted[axis]
            small, large = total // 2, total - total // 2
            # ONNX puts the odd pixel at the end for SAME_UPPER only.
            starts_small = options.get("auto_pad") == "SAME_UPPER"
            pads[axis], pads[axis + 2] = (small, large) if starts_small else (large, small)
    if list(dilations) != [1, 1]:
        spread = np.zeros((*weights.shape[:2], *reach), weights.dtype)
        spread[:, :, :: dilations[0], :: dilations[1]] = weights
        draft.set_input(node, 1, draft.add_constant(f"{node.input[1]}_spread", spread))
    set_attributes(node, auto_pad=None, output_shape=None, dilations=None, kernel_shape=reach, pads=pads)
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
        source = _reshaped(draft, source, apart)
        source = padded(draft, source, pads.reshape(-1).tolist())
        source = _reshaped(draft, source, (*shape[:axis], shape[axis] * stride, *shape[axis + 1 :]))
    return source


def _reshaped(draft: Draft, source: str, shape: tuple[int, ...]) -> str:
    sizes = draft.add_integers(f"{source}_sizes", shape)
    return draft.put("Reshape", [source, sizes], f"{source}_spread", shape)


def _cropped(draft: Draft, source: str, amounts: list[int]) -> str:
    """Cut rows and columns off an image: amounts at top, left, bottom and right."""
    shape = draft.shapes[source]
    starts, ends = amounts[:2], [shape[axis + 2] - amounts[axis + 2] for axis in range(2)]
    parts = {"starts": starts, "ends": ends, "axes": [2, 3]}
    names = [draft.add_integers(f"{source}_{kind}", values) for kind, values in parts.items()]
    left = (end - start for start, end in zip(starts, ends, strict=True))
    return draft.put("Slice", [source, *names], f"{source}_cropped", (*shape[:2], *left))


TRANSPOSED = (plain_conv_transpose, split_groups)
