"""Resize: nearest, linear and cubic, axis by axis, in the coordinate modes of ONNX's specification."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from edgekit.graph.torch_operators.call import Call

Kernel = Callable[[Tensor], Tensor]
"""The weight of an element at a distance, 0 to 2, from the place that is asked for."""

_ROUNDING: Mapping[str, Callable[[Tensor], Tensor]] = {
    "round_prefer_floor": lambda position: torch.ceil(position - 0.5),
    "round_prefer_ceil": lambda position: torch.floor(position + 0.5),
    "floor": torch.floor,
    "ceil": torch.ceil,
}


def resize(call: Call) -> Tensor:
    """Resize each axis whose size or scale changes; the batch keeps its size."""
    x = call.x
    if call.get("antialias", 0) or call.get("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise call.unsupported("anti-aliasing and kept aspect ratios are not known")
    given, sizes = call.optional(2), call.numbers("sizes", 3)
    scales = None if given is None or given.numel() == 0 else [float(scale) for scale in given.tolist()]
    axes = call.get("axes", None) or list(range(len(scales or sizes or [])))
    for index, axis in enumerate(axes):
        if axis % x.ndim == 0:
            continue
        before = x.shape[axis]
        after = sizes[index] if scales is None and sizes else int(before * scales[index]) if scales else before
        scale = scales[index] if scales else after / before
        if after != before or scale != 1:
            x = _along(call, x, axis % x.ndim, after, _positions(call, before, after, scale))
    return x


def _positions(call: Call, before: int, after: int, scale: float) -> Tensor:
    """Where each element of the result lies in the input, float32 [after]."""
    index, mode = torch.arange(after, dtype=torch.float32), call.get("coordinate_transformation_mode", "half_pixel")
    if mode == "asymmetric":
        return index / scale
    if mode == "align_corners":
        return index * ((before - 1) / (after - 1)) if after > 1 else index * 0
    if mode == "pytorch_half_pixel" and after == 1:
        return index * 0
    if mode in ("half_pixel", "pytorch_half_pixel"):
        return (index + 0.5) / scale - 0.5
    if mode == "half_pixel_symmetric":
        shift = before / 2 * (1 - after / (scale * before))
        return shift + (index + 0.5) / scale - 0.5
    raise call.unsupported(f"its coordinates are '{mode}'")


def _along(call: Call, x: Tensor, axis: int, after: int, positions: Tensor) -> Tensor:
    """One axis resized: the nearest element, or a product with the matrix [after, before] of interpolation weights."""
    before, mode = x.shape[axis], call.get("mode", "nearest")
    if mode == "nearest":
        rounded = _ROUNDING[call.get("nearest_mode", "round_prefer_floor")](positions)
        return x.index_select(axis, rounded.long().clamp(0, before - 1))
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
