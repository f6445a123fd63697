"""Resize: nearest, linear and cubic, axis by axis, in the coordinate modes of ONNX's specification."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from edgekit.graph.torch_operators.call import Call
from edgekit.operators.resize import WAYS, nearest_pixels, source_places
from edgekit.scales import Reals

Kernel = Callable[[Tensor], Tensor]
"""The weight of an element at a distance, 0 to 2, from the place that is asked for."""


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
    positions = torch.from_numpy(places)
    if mode == "linear":
        matrix = _interpolation(positions.clamp(0, before - 1), before, (0, 1), lambda distance: 1 - distance)
    elif mode == "cubic":
        outside = not call.get("exclude_outside", 0)
        matrix = _interpolation(positions, before, (-1, 0, 1, 2), _cubic(call.get("cubic_coeff_a", -0.75)), outside)
    else:
        raise call.unsupported(f"its mode is '{mode}'")
    return torch.tensordot(x, matrix, dims=([axis], [1])).movedim(-1, axis)  # type: ignore[no-any-return]


def _interpolation(positions: Tensor, before: int, taps: Sequence[int], kernel: Kernel, outside: bool = True) -> Tensor:
    """Weights [after, before]: each tap's by its distance; what is ``outside`` counts as the border, or not at all."""
    matrix = torch.zeros(len(positions), before)
    for offset in taps:
        index = positions.floor() + offset
        weight = kernel((positions - index).abs())
        if not outside:
            weight = torch.where((index >= 0) & (index < before), weight, 0)
        matrix.scatter_add_(1, index.long().clamp(0, before - 1)[:, None], weight[:, None])
    return matrix / matrix.sum(1, keepdim=True)


def _cubic(a: float) -> Kernel:
    """The cubic convolution kernel of Keys (1981)."""

    def kernel(distance: Tensor) -> Tensor:
        near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
        far = a * (((distance - 5) * distance + 8) * distance - 4)
        return torch.where(distance <= 1, near, far)

    return kernel
