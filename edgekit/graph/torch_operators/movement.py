"""Operators that move elements and compute nothing: shapes, slices, joins, padding.

A prepared model has batch 1 and says so in its constant shapes. Where the input of a module is a larger batch, a
leading 1 in such a shape stands for it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from edgekit.graph.torch_operators.call import Call, Operator


def reshape(call: Call) -> Tensor:
    """Reshape; a leading 1 is the batch."""
    x, shape = call.x, call.numbers("shape", 1) or []
    if not call.get("allowzero", 0):
        shape = [x.shape[axis] if size == 0 else size for axis, size in enumerate(shape)]
    if shape[:1] == [1] and x.shape[:1] == (call.batch,):
        shape[0] = call.batch
    return x.reshape(shape)


def flatten(call: Call) -> Tensor:
    """Flatten to a matrix."""
    axis = call.get("axis", 1) % (call.x.ndim + 1)
    return call.x.reshape(math.prod(call.x.shape[:axis]), -1)


def unsqueeze(call: Call) -> Tensor:
    """Unsqueeze: axes of size 1 where the result has them."""
    x, axes = call.x, call.numbers("axes", 1) or []
    for axis in sorted(axis % (x.ndim + len(axes)) for axis in axes):
        x = x.unsqueeze(axis)
    return x


def concat(call: Call) -> Tensor:
    """Concat; a constant of batch 1 is repeated for each of a larger batch."""
    parts = call.all()
    axis = call.attributes["axis"] % parts[0].ndim
    if axis != 0:
        batch = max(part.shape[0] for part in parts)
        parts = [part.expand(batch, *part.shape[1:]) if part.shape[0] == 1 else part for part in parts]
    return torch.cat(parts, axis)


def split(call: Call) -> tuple[Tensor, ...]:
    """Split into given or into equal sizes."""
    axis = call.get("axis", 0)
    sizes = call.numbers("split", 1)
    if sizes is None:
        whole = call.x.shape[axis]
        each = -(-whole // call.outputs)
        sizes = [min(each, whole - each * index) for index in range(call.outputs)]
    return torch.split(call.x, sizes, axis)


def slice_(call: Call) -> Tensor:
    """Slice with any steps, backwards too."""
    x = call.x
    starts, ends = call.numbers("starts", 1) or [], call.numbers("ends", 2) or []
    axes = call.numbers("axes", 3) or list(range(len(starts)))
    steps = call.numbers("steps", 4) or [1] * len(starts)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        size = x.shape[axis]
        first, last, stride = slice(start, end, step).indices(size)
        if stride == 1:
            x = x.narrow(axis, first, max(last - first, 0))
        else:
            x = x.index_select(axis, torch.arange(size)[list(range(first, last, stride))])
    return x


def gather(call: Call) -> Tensor:
    """Gather along one axis."""
    x, indices = call.x, call.input(1)
    axis = call.get("axis", 0) % x.ndim
    chosen = x.index_select(axis, indices.reshape(-1).long() % x.shape[axis])
    return chosen.reshape(*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])


def top_k(call: Call) -> tuple[Tensor, ...]:
    """The largest or smallest values along an axis, and where they are."""
    (count,) = call.numbers("k", 1) or [1]
    return tuple(torch.topk(call.x, count, call.get("axis", -1), bool(call.get("largest", 1))))


def pad(call: Call) -> Tensor:
    """Pad with a constant, or by repeating what is there; negative amounts crop."""
    x, mode, constant = call.x, call.get("mode", "constant"), call.optional(2)
    amounts = call.numbers("pads", 1) or []
    axes = call.numbers("axes", 3) or list(range(len(amounts) // 2))
    value = 0.0 if constant is None else float(constant)
    for index, axis in enumerate(axes):
        before, after = amounts[index], amounts[index + len(axes)]
        if not before and not after:
            continue
        if mode == "constant":
            following = x.ndim - 1 - axis % x.ndim
            x = F.pad(x, [*[0] * (2 * following), before, after], value=value)
        else:
            x = x.index_select(axis, _repeated(call, mode, x.shape[axis], before, after))
    return x


def _repeated(call: Call, mode: str, size: int, before: int, after: int) -> Tensor:
    """The indices that an axis of ``size`` is read at when it is padded by its own elements."""
    wanted = torch.arange(-before, size + after)
    if mode == "edge":
        return wanted.clamp(0, size - 1)
    if mode == "wrap":
        return wanted % size
    if mode == "reflect":
        period = max(2 * (size - 1), 1)
        folded = wanted % period
        return torch.where(folded < size, folded, period - folded)
    raise call.unsupported(f"its mode is '{mode}'")


def depth_to_space(call: Call) -> Tensor:
    """DepthToSpace in both orders."""
    x, block = call.x, call.attributes["blocksize"]
    if call.get("mode", "DCR") == "DCR":
        x = _regrouped(x, block**2)
    return F.pixel_shuffle(x, block)


def space_to_depth(call: Call) -> Tensor:
    """SpaceToDepth."""
    return _regrouped(F.pixel_unshuffle(call.x, call.attributes["blocksize"]), call.x.shape[1])


def _regrouped(x: Tensor, groups: int) -> Tensor:
    """Channels that lie group by group, put in order of their places in the groups."""
    return x.reshape(len(x), groups, -1, *x.shape[2:]).transpose(1, 2).flatten(1, 2)


MOVEMENT: dict[str, Operator] = {
    "Concat": concat,
    "DepthToSpace": depth_to_space,
    # It broadcasts in both directions.
    "Expand": lambda call: call.x * torch.ones(call.numbers("shape", 1) or [], dtype=call.x.dtype),
    "Flatten": flatten,
    "Gather": gather,
    "Pad": pad,
    "Reshape": reshape,
    "Slice": slice_,
    "SpaceToDepth": space_to_depth,
    "Split": split,
    "Squeeze": lambda call: call.x.squeeze(tuple(call.numbers("axes", 1) or range(call.x.ndim))),
    "Tile": lambda call: call.x.repeat(call.numbers("repeats", 1) or []),
    "TopK": top_k,
    "Transpose": lambda call: call.x.permute(call.get("perm", list(range(call.x.ndim))[::-1])),
    "Unsqueeze": unsqueeze,
}
