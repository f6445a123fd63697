"""Depthwise convolutions in bfloat16 with gradients in float32."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from edgekit.training.depthwise import FastDepthwise


def gradients(layer: nn.Conv2d, inputs: Tensor) -> list[Tensor]:
    layer.zero_grad()
    inputs = inputs.clone().requires_grad_()
    layer(inputs).float().square().mean().backward()
    assert inputs.grad is not None
    return [inputs.grad, *(weight.grad.clone() for weight in layer.parameters() if weight.grad is not None)]


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("kernel", "stride", "padding"), [(3, 1, 1), (5, 2, 2), (3, 2, 0)])
def test_results_and_gradients_are_those_of_float32(kernel: int, stride: int, padding: int, bias: bool) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(8, 8, kernel, stride, padding, groups=8, bias=bias)
    inputs = torch.randn(4, 8, 16, 16)
    exact = gradients(layer, inputs)
    with torch.autocast("cpu", dtype=torch.bfloat16), FastDepthwise():
        assert layer(inputs).dtype == (torch.float32 if bias else torch.bfloat16)
        found = gradients(layer, inputs)
    assert len(found) == len(exact)
    for one, other in zip(found, exact, strict=True):
        torch.testing.assert_close(one, other, rtol=0.05, atol=0.02 * float(other.abs().max()))


def test_weights_that_are_frozen_get_no_gradient() -> None:
    layer = nn.Conv2d(4, 4, 3, groups=4, bias=False).requires_grad_(False)
    with torch.autocast("cpu", dtype=torch.bfloat16), FastDepthwise():
        assert len(gradients(layer, torch.randn(2, 4, 8, 8))) == 1


def test_other_convolutions_stay_as_they_are() -> None:
    layer, inputs = nn.Conv2d(4, 8, 3, groups=2), torch.randn(2, 4, 8, 8)
    expected = layer(inputs)
    with FastDepthwise():
        assert torch.equal(layer(inputs), expected)
