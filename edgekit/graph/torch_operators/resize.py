"""Resize: nearest and linear, axis by axis, in the coordinate modes of ONNX's specification."""

from __future__ import annotations

import torch
from torch import Tensor

from edgekit.graph.torch_operators.call import Call
from edgekit.operators.resize import WAYS, nearest_pixels, source_places
from edgekit.scales import Reals


def resize(call: Call) -> Tensor:
    """Resize each axis whose size or scale changes; the batch keeps its size."""
    x, way = call.x, call.get("coordinate_transformation_mode", "half_pixel")
    if way not in WAYS:
        raise call.unsupported(f"its coordinates are '{way}'")
    if call.get("antialias", 0) or call.get("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise call.unsupported("anti-aliasing and kept aspect ratios are not known")
    given, sizes = call.optional(2), call.numbers("sizes", 3)
    scales = None if given is None or given.numel() == 0 else given.tolist()
    axes = call.get("axes", None) or list(range(len(scales or sizes or [])))
    for index, axis in enumerate(axes):
        if axis % x.ndim == 0:
            continue
        before = x.shape[axis]
        after = sizes[index] if scales is None and sizes else int(before * scales[index]) if scales else before
        scale = scales[index] if scales else after / before
        if after != before or scale != 1:
            x = _along(call, x, axis % x.ndim, source_places(way, before, after, scale))
    return x


def _along(call: Call, x: Tensor, axis: int, places: Reals) -> Tensor:
    """One axis resized: the nearest element, or a product with a matrix [places, before] of interpolation weights."""
    before, mode = x.shape[axis], call.get("mode", "nearest")
    if mode == "nearest":
        taken = nearest_pixels(places, call.get("nearest_mode", "round_prefer_floor"), before)
        return x.index_select(axis, torch.from_numpy(taken))
    if mode != "linear":
        raise call.unsupported(f"its mode is '{mode}'")
    positions = torch.from_numpy(places).clamp(0, before - 1)
    matrix = torch.zeros(len(places), before)
    for offset in (0, 1):
        index = positions.floor() + offset
        weight = 1 - (positions - index).abs()
        matrix.scatter_add_(1, index.long().clamp(0, before - 1)[:, None], weight[:, None])
    return torch.tensordot(x, matrix, dims=([axis], [1])).movedim(-1, axis)  # type: ignore[no-any-return]
