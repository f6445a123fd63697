"""Pools in the forms that runtimes share: padding as a whole layer of its own where SAME and VALID cannot say it.

Each pass is of the kind that ``edgekit.graph.passes`` describes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from edgekit.graph.draft import Draft
from edgekit.graph.messages import Array, attributes, make_node, set_attributes
from edgekit.graph.moves import padded, slice_of

if TYPE_CHECKING:
    from onnx import NodeProto


def counted_padding(draft: Draft, node: NodeProto) -> bool:
    """Padding that a mean counts, with a size rounded up, is a Pad: what lies beyond it is not counted."""
    options = attributes(node)
    if not (_is_mean(draft, node) and options.get("count_include_pad") and options.get("ceil_mode")):
        return False
    pads, strides = options.get("pads", [0, 0, 0, 0]), options.get("strides", [1, 1])
    counted, rest = [*pads[:2]], [0, 0]
    for axis, size in enumerate(draft.shapes[node.input[0]][2:]):
        needed = rounded_up_end(size, (pads[axis], pads[axis + 2]), options["kernel_shape"][axis], strides[axis])
        counted.append(min(needed, pads[axis + 2]))
        rest.append(needed - counted[-1])
    if any(counted):
        draft.set_input(node, 0, padded(draft, node.input[0], counted))
    set_attributes(node, count_include_pad=None, ceil_mode=None, pads=rest)
    # ONNX's inference counts a window that is left out.
    draft.infer()
    return True


def automatic_padding(
    mode: str, sizes: Sequence[int], strides: Sequence[int], reaches: Sequence[int]
) -> tuple[list[int], list[int]]:
    """(starts, ends) of the padding that an ``auto_pad`` other than NOTSET stands for, of a convolution or a pool."""
    if mode == "VALID":
        return [0] * len(sizes), [0] * len(sizes)
    axes = zip(sizes, strides, reaches, strict=True)
    return halved([max((-(-size // stride) - 1) * stride + reach - size, 0) for size, stride, reach in axes], mode)


def halved(totals: Sequence[int], mode: str) -> tuple[list[int], list[int]]:
    """Padding shared between both sides; SAME_UPPER puts the odd one at the end, and all else at the start."""
    small, large = [total // 2 for total in totals], [total - total // 2 for total in totals]
    return (small, large) if mode == "SAME_UPPER" else (large, small)


def reaches(kernel: Sequence[int], dilations: Sequence[int]) -> list[int]:
    """How many elements a window spans along each axis."""
    return [(size - 1) * dilation + 1 for size, dilation in zip(kernel, dilations, strict=True)]


def rounded_up_end(size: int, pads: tuple[int, int], reach: int, stride: int) -> int:
    """The padding at the end that the windows reach into when their number is rounded up.

    A window that would start in the end padding is left out, as PyTorch and ONNX Runtime do.
    """
    start, end = pads
    steps = -(-(start + size + end - reach) // stride) + 1
    if (steps - 1) * stride >= start + size:
        steps -= 1
    return max((steps - 1) * stride + reach - size - start, 0)


def uncounted_padding(draft: Draft, node: NodeProto) -> bool:
    """A mean over windows of which unequal parts are padding: the mean with zeros, and a factor for each place."""
    options = attributes(node)
    pads = options.get("pads", [0, 0, 0, 0])
    if not _is_mean(draft, node) or not any(pads) or options.get("count_include_pad") or options.get("ceil_mode"):
        return False
    if options.get("auto_pad", "NOTSET") != "NOTSET" or max(options.get("dilations", [1])) > 1:
        return False
    sizes, steps = draft.shapes[node.input[0]][2:], draft.shapes[node.output[0]][2:]
    kernel, strides = options["kernel_shape"], options.get("strides", [1, 1])
    counts, same = [], True
    for axis in range(2):
        starts = np.arange(steps[axis]) * strides[axis] - pads[axis]
        ends = starts + kernel[axis]
        counts.append(np.minimum(ends, sizes[axis]) - np.maximum(starts, 0))
        total = max((steps[axis] - 1) * strides[axis] + kernel[axis] - sizes[axis], 0)
        same = same and steps[axis] == -(-sizes[axis] // strides[axis]) and pads[axis] == total // 2
    if same or min(count.min() for count in counts) < 1:
        return False
    target, mean = node.output[0], draft.new_name(f"{node.output[0]}_mean")
    factor: Array = kernel[0] * kernel[1] / np.outer(*counts)
    draft.set_input(node, 0, padded(draft, node.input[0], pads))
    set_attributes(node, pads=None)
    if np.allclose(factor, 1):
        return True
    draft.remove(node)
    node.output[0] = mean
    draft.shapes[mean] = draft.shapes[target]
    draft.add(node)
    name = draft.add_constant(f"{target}_factor", factor.astype(np.float32)[None, None])
    draft.add(make_node("Mul", [mean, name], [target]))
    return True


def global_max(draft: Draft, node: NodeProto) -> bool:
    """A GlobalMaxPool is a MaxPool whose window is the image."""
    if node.op_type != "GlobalMaxPool" or len(draft.shapes.get(node.input[0], ())) != 4:
        return False
    kernel = list(draft.shapes[node.input[0]][2:])
    draft.replace(node, make_node("MaxPool", list(node.input), list(node.output), node.name, kernel_shape=kernel))
    return True


def every_nth_pixel(draft: Draft, node: NodeProto) -> bool:
    """A Slice that takes every n-th row and column of an image is a pool whose window is one pixel."""
    shape = draft.shapes.get(node.input[0], ()) if node.op_type == "Slice" else ()
    found = slice_of(draft, node) if len(shape) == 4 else None
    if found is None:
        return False
    strides = [1, 1]
    for start, end, axis, step in zip(*found, strict=True):
        if start != 0 or end < shape[axis] or step < 1 or (axis < 2 and step > 1):
            return False
        if axis >= 2:
            strides[axis - 2] = step
    if strides == [1, 1]:
        return False
    pool = make_node("MaxPool", node.input[:1], node.output, node.name, kernel_shape=[1, 1], strides=strides)
    draft.replace(node, pool)
    return True


def _is_mean(draft: Draft, node: NodeProto) -> bool:
    return node.op_type == "AveragePool" and len(draft.shapes.get(node.input[0], ())) == 4


POOLS = (uncounted_padding, global_max)
