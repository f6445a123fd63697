"""Rewrites that bring any exporter's float graph to the few forms that the quantizer and the lowering know.

Each pass looks at one node of a draft, edits the graph around it and says whether it did. All are exact in real
arithmetic; the value of every model output stays what it was.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from edgekit.graph.arithmetic import ARITHMETIC, chain_of_two
from edgekit.graph.draft import Draft
from edgekit.graph.einsum import einsum
from edgekit.graph.indexing import INDEXING
from edgekit.graph.layers import (
    absorb_affine,
    absorb_affine_before,
    expand_batch_norm,
    multiply_by_reciprocal,
    plain_gemm,
)
from edgekit.graph.messages import attributes, make_node, set_attributes
from edgekit.graph.moves import MOVES
from edgekit.graph.patterns import PATTERNS, clip_limits
from edgekit.graph.pools import POOLS, automatic_padding, counted_padding, every_nth_pixel, reaches, rounded_up_end
from edgekit.graph.products import PRODUCTS
from edgekit.graph.recurrent import unroll
from edgekit.graph.resizing import resize_by_products
from edgekit.graph.signals import LINES
from edgekit.graph.transposed import TRANSPOSED

if TYPE_CHECKING:
    from onnx import NodeProto

OWN_PADDING = {"Conv": 0.0, "MaxPool": -math.inf}
"""What a window's own padding stands for."""
GLOBAL_POOLS = {"ReduceMean": "GlobalAveragePool", "ReduceMax": "GlobalMaxPool"}
LARGEST = float(np.finfo(np.float32).max)


def remove_identity(draft: Draft, node: NodeProto) -> bool:
    """Nodes that do nothing at inference: Identity, Dropout, a Clip without limits, a Concat of one, a factor 1, ..."""
    own = draft.type_of(node.input[0]) if node.input else None
    same_type = node.op_type == "Cast" and attributes(node)["to"] == own
    same_type = same_type or (node.op_type == "CastLike" and own is not None and own == draft.type_of(node.input[1]))
    single = node.op_type in ("Concat", "Sum", "Max", "Min") and len(node.input) == 1
    dropout = node.op_type == "Dropout" and not any(draft.consumers(name) for name in node.output[1:] if name)
    if not (node.op_type == "Identity" or same_type or single or dropout or _keeps_all(draft, node)):
        return _remove_neutral(draft, node)
    return draft.bypass(node, node.input[0]) or _copy(draft, node)


def _keeps_all(draft: Draft, node: NodeProto) -> bool:
    """True for a Clip without limits, and for a Resize to the size that is there: ONNX Runtime copies it."""
    if node.op_type == "Resize" and attributes(node).get("coordinate_transformation_mode") != "tf_crop_and_resize":
        shape = draft.shapes.get(node.input[0])
        return shape is not None and shape == draft.shapes.get(node.output[0])
    limits = clip_limits(draft, node) if node.op_type == "Clip" else None
    return limits is not None and limits[1] <= -LARGEST and limits[2] >= LARGEST


def _copy(draft: Draft, node: NodeProto) -> bool:
    """A result that is an input or another result as well: a Reshape to the shape that it has."""
    source, target = node.input[0], node.output[0]
    shape = draft.add_integers(f"{target}_shape", draft.shapes[source])
    draft.replace(node, make_node("Reshape", [source, shape], [target], node.name))
    return True


def _remove_neutral(draft: Draft, node: NodeProto) -> bool:
    """Take out a Mul or Div by 1, or an Add or Sub of 0, that leaves the shape."""
    if node.op_type not in ("Mul", "Div", "Add", "Sub"):
        return False
    neutral = 1 if node.op_type in ("Mul", "Div") else 0
    for position in range(2):
        constant, source = draft.constant(node, 1 - position), node.input[position]
        commutes = position == 0 or node.op_type in ("Mul", "Add")
        if constant is None or source in draft.constants or not commutes or (constant != neutral).any():
            continue
        return draft.shapes.get(source) == draft.shapes.get(node.output[0]) and draft.bypass(node, source)
    return False


def explicit_padding(draft: Draft, node: NodeProto) -> bool:
    """``auto_pad`` becomes ``pads``, for the known input size."""
    options = attributes(node)
    mode = options.get("auto_pad", "NOTSET")
    if node.op_type == "ConvTranspose" or mode == "NOTSET":
        return False
    sizes = draft.shapes[node.input[0]][2:]
    kernel = options.get("kernel_shape") or draft.shapes[node.input[1]][2:]
    strides = options.get("strides", [1] * len(sizes))
    dilations = options.get("dilations", [1] * len(sizes))
    starts, ends = automatic_padding(mode, sizes, strides, reaches(kernel, dilations))
    set_attributes(node, auto_pad=None, pads=[*starts, *ends])
    return True


def round_down(draft: Draft, node: NodeProto) -> bool:
    """``ceil_mode`` of a pool becomes the end padding with which rounding down gives the same windows."""
    options = attributes(node)
    counts_padding = options.get("count_include_pad", 0)
    if node.op_type not in ("MaxPool", "AveragePool") or not options.get("ceil_mode") or counts_padding:
        return False
    sizes = draft.shapes[node.input[0]][2:]
    rank = len(sizes)
    strides, dilations = (options.get(name, [1] * rank) for name in ("strides", "dilations"))
    pads = list(options.get("pads", [0] * (2 * rank)))
    for axis, reach in enumerate(reaches(options["kernel_shape"], dilations)):
        pads[axis + rank] = rounded_up_end(sizes[axis], (pads[axis], pads[axis + rank]), reach, strides[axis])
    set_attributes(node, ceil_mode=None, pads=pads)
    # ONNX's inference counts the window that is left out.
    draft.infer()
    return True


def absorb_padding(draft: Draft, node: NodeProto) -> bool:
    """Padding in front of a window becomes the window's own: zeros of a convolution, -inf of a maximum."""
    pad = draft.producer(node.input[0]) if node.op_type in OWN_PADDING else None
    if pad is None or pad.op_type != "Pad":
        return False
    amounts, rank = _padding_of(draft, pad, OWN_PADDING[node.op_type]), len(draft.shapes[node.input[0]])
    if amounts is None or any(amounts[:2]) or any(amounts[rank : rank + 2]) or min(amounts) < 0:
        return False
    options, extra = attributes(node), [*amounts[2:rank], *amounts[rank + 2 :]]
    pads = [a + b for a, b in zip(options.get("pads", [0] * len(extra)), extra, strict=True)]
    # Runtimes refuse a maximum over padding alone.
    if node.op_type == "MaxPool" and any(np.asarray(pads) >= options["kernel_shape"] * 2):
        return False
    set_attributes(node, pads=pads)
    padded = node.input[0]
    draft.set_input(node, 0, pad.input[0])
    draft.drop_unread(padded)
    return True


def _padding_of(draft: Draft, pad: NodeProto, wanted: float) -> list[int] | None:
    """The amounts of a Pad with a value, all starts then all ends over all axes; None if it is another kind."""
    amounts, value, axes = (draft.constant(pad, position) for position in (1, 2, 3))
    if attributes(pad).get("mode", "constant") != "constant" or amounts is None or draft.computes(pad, 2):
        return None
    number = 0.0 if value is None else float(value.item())
    if (number if number > -LARGEST else -math.inf) != wanted:
        return None
    rank = len(draft.shapes[pad.input[0]])
    if axes is None:
        return [int(amount) for amount in amounts]
    full = [0] * (2 * rank)
    for index, axis in enumerate(axes):
        full[int(axis) % rank] = int(amounts[index])
        full[int(axis) % rank + rank] = int(amounts[index + len(axes)])
    return full


def clip_to_relu(draft: Draft, node: NodeProto) -> bool:
    """A Clip from 0 upwards without a limit is a Relu."""
    limits = clip_limits(draft, node) if node.op_type == "Clip" else None
    if limits is None or limits[1] != 0 or limits[2] < LARGEST or not draft.is_float(node.input[0]):
        return False
    node.op_type = "Relu"
    draft.set_inputs(node, node.input[:1])
    return True


def reduction_to_pool(draft: Draft, node: NodeProto) -> bool:
    """A mean or maximum over height and width is a global pool, followed by a Flatten if it drops these axes."""
    pool = GLOBAL_POOLS.get(node.op_type)
    if pool is None or len(draft.shapes.get(node.input[0], ())) != 4 or not draft.is_float(node.input[0]):
        return False
    options = attributes(node)
    axes = draft.constant(node, 1) if len(node.input) > 1 else options.get("axes")
    if axes is None or sorted(int(axis) % 4 for axis in axes) != [2, 3]:
        return False
    source, target = node.input[0], node.output[0]
    if options.get("keepdims", 1):
        draft.replace(node, make_node(pool, [source], [target], node.name))
        return True
    shape = (*draft.shapes[source][:2], 1, 1)
    pooled = draft.put(pool, [source], f"{target}_pooled", shape, name=node.name)
    draft.replace(node, make_node("Flatten", [pooled], [target], f"{node.name}_flatten"))
    return True


CANONICAL = (
    unroll,
    remove_identity,
    explicit_padding,
    round_down,
    absorb_padding,
    *LINES,
    counted_padding,
    *POOLS,
    *MOVES,
    *INDEXING,
    chain_of_two,
    *PATTERNS,
    clip_to_relu,
    reduction_to_pool,
    *TRANSPOSED,
    resize_by_products,
    einsum,
    *PRODUCTS,
    plain_gemm,
    absorb_affine,
    absorb_affine_before,
)
LAST = (expand_batch_norm, multiply_by_reciprocal, *ARITHMETIC, every_nth_pixel)
"""What would hide a pattern from the others."""
