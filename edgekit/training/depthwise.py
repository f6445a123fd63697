"""Gradients of depthwise convolutions that are not slow in bfloat16.

oneDNN has bfloat16 kernels for the way there, but its way back through a depthwise convolution is a plain loop, which
takes most of a step of EfficientNet-Lite0. In float32 that way back is fast, so there its gradients are computed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode


class FastDepthwise(TorchFunctionMode):
    """While it is entered, depthwise convolutions run in bfloat16 and their gradients in float32."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Take what ``nn.Conv2d`` calls for itself where it is depthwise; all else goes its way."""
        if func is not torch.conv2d or len(args) != 7 or kwargs:
            return func(*args, **(kwargs or {}))
        inputs, weight, bias, stride, padding, dilation, groups = args
        if groups == 1 or groups != inputs.shape[1] or isinstance(padding, str):
            return func(*args)
        result = _Depthwise.apply(inputs, weight, stride, padding, dilation)  # type: ignore[no-untyped-call]
        return result if bias is None else result + bias[:, None, None]


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, stride: Any, padding: Any, dilation: Any) -> Tensor:
        inputs = inputs.bfloat16()
        ctx.save_for_backward(inputs, weight)
        ctx.geometry = (stride, padding, dilation)
        return torch.conv2d(inputs, weight.bfloat16(), None, stride, padding, dilation, inputs.shape[1])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        inputs, weight = ctx.saved_tensors
        stride, padding, dilation = (list(numbers) for numbers in ctx.geometry)
        forwards = (False, [0, 0], inputs.shape[1])
        to_inputs, to_weight, _ = torch.ops.aten.convolution_backward(
            gradient.float(),
            inputs.float(),
            weight,
            None,
            stride,
            padding,
            dilation,
            *forwards,
            [*ctx.needs_input_grad[:2], False],
        )
        return None if to_inputs is None else to_inputs.bfloat16(), to_weight, None, None, None
