"""Operators that slide a window over an image or a signal: convolutions and pools, over 1 to 3 axes.

ONNX pads each side by its own amount; torch pads both sides alike, so uneven padding is a separate step here.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import starmap

import torch
from torch import Tensor
from torch.nn import functional as F

from edgekit.graph.pools import reaches, rounded_up_end
from edgekit.graph.torch_operators.call import Call, Operator

_CONVOLUTION = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
_LARGEST = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}


def convolution(call: Call) -> Tensor:
    """Conv: grouped, depthwise, strided and dilated."""
    x, weight, bias = call.x, call.input(1), call.optional(2)
    rank = _spatial_rank(call)
    strides, dilations = _each(call, "strides"), _each(call, "dilations")
    starts, ends = _padding(call)
    if starts == ends:
        return _CONVOLUTION[rank](x, weight, bias, strides, starts, dilations, call.get("group", 1))
    return _CONVOLUTION[rank](_pad(x, starts, ends), weight, bias, strides, 0, dilations, call.get("group", 1))


def transposed_convolution(call: Call) -> Tensor:
    """ConvTranspose: computed in full, then cropped by ``pads`` and extended by ``output_padding``."""
    x, weight, bias = call.x, call.input(1), call.optional(2)
    rank = _spatial_rank(call)
    strides, dilations = _each(call, "strides"), _each(call, "dilations")
    extra = list(call.get("output_padding", [0] * rank))
    full = _TRANSPOSED[rank](x, weight, None, strides, 0, 0, call.get("group", 1), dilations)
    starts, ends = _padding(call)
    cropped = _pad(full, [-start for start in starts], [more - end for more, end in zip(extra, ends, strict=True)])
    return cropped if bias is None else cropped + bias.reshape(-1, *[1] * rank)


def max_pool(call: Call) -> Tensor:
    """MaxPool, without the indices."""
    if call.outputs > 1:
        raise call.unsupported("it also gives the indices of the largest values")
    kernel, strides, dilations, starts, _, ceiled = _window(call)
    padded = _pad(call.x, starts, ceiled, float("-inf"))
    return _LARGEST[len(kernel)](padded, kernel, strides, 0, dilations)


def average_pool(call: Call) -> Tensor:
    """AveragePool: padding counts where ``count_include_pad`` says so, what rounding up adds never does."""
    kernel, strides, dilations, starts, ends, ceiled = _window(call)
    further = [new - old for new, old in zip(ceiled, ends, strict=True)]
    counted = _pad(torch.ones_like(call.x[:1, :1]), starts, ends, float(bool(call.get("count_include_pad", 0))))
    nothing = [0] * len(kernel)
    sums = _window_sums(_pad(_pad(call.x, starts, ends), nothing, further), kernel, strides, dilations)
    return sums / _window_sums(_pad(counted, nothing, further), kernel, strides, dilations)


def _window_sums(x: Tensor, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]) -> Tensor:
    """Sums over each window: a depthwise convolution with ones."""
    channels = x.shape[1]
    ones = torch.ones((channels, 1, *kernel), dtype=x.dtype)
    return _CONVOLUTION[len(kernel)](x, ones, None, list(strides), 0, list(dilations), channels)


def _spatial_rank(call: Call) -> int:
    rank = call.x.ndim - 2
    if rank not in _CONVOLUTION:
        raise call.unsupported(f"its input has {rank} axes of space; 1 to 3 are known")
    return rank


def _window(call: Call) -> tuple[list[int], list[int], list[int], list[int], list[int], list[int]]:
    """(kernel, strides, dilations, starts, ends, ceiled ends) of a pool.

    The last are the end padding with which rounding down gives the windows of ``ceil_mode``.
    """
    kernel, strides, dilations = (_each(call, name) for name in ("kernel_shape", "strides", "dilations"))
    starts, ends = _padding(call)
    ceiled = ends
    if call.get("ceil_mode", 0):
        padding = zip(starts, ends, strict=True)
        windows = zip(call.x.shape[2:], padding, reaches(kernel, dilations), strides, strict=True)
        ceiled = list(map(max, starmap(rounded_up_end, windows), ends))
    return kernel, strides, dilations, starts, ends, ceiled


def _each(call: Call, attribute: str) -> list[int]:
    return list(call.get(attribute, [1] * _spatial_rank(call)))


def _padding(call: Call) -> tuple[list[int], list[int]]:
    """(starts, ends) of ``pads``."""
    rank = _spatial_rank(call)
    pads = list(call.get("pads", [0] * (2 * rank)))
    return pads[:rank], pads[rank:]


def _pad(x: Tensor, starts: Sequence[int], ends: Sequence[int], value: float = 0.0) -> Tensor:
    """Pad (or, where negative, crop) the axes of space."""
    if not any((*starts, *ends)):
        return x
    amounts = [amount for pair in zip(reversed(starts), reversed(ends), strict=True) for amount in pair]
    return F.pad(x, amounts, value=value)


WINDOWS: dict[str, Operator] = {
    "Conv": convolution,
    "ConvTranspose": transposed_convolution,
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "GlobalAveragePool": lambda call: call.x.mean(tuple(range(2, call.x.ndim)), keepdim=True),
    "GlobalMaxPool": lambda call: call.x.amax(tuple(range(2, call.x.ndim)), keepdim=True),
}
