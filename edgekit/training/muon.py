"""Muon: filters of convolutions learn by orthogonal steps, everything else by AdamW."""

from __future__ import annotations

import torch
from torch import Tensor

from edgekit.training.precision import has_bf16

MOMENTUM = 0.9
STEPS = 5
QUINTIC = (3.4445, -4.7750, 2.0315)
"""Of x, x³ and x⁵: repeated, it brings every singular value in (0, 1] near 1, and small ones fast (Jordan 2024)."""
LARGE = 128
"""Rows from which a matrix is multiplied faster in bfloat16, the conversion included."""
RMS = 0.2
"""Of the entries of a step at the learning rate 1, as AdamW's are (Liu et al. 2025, "Muon is scalable for LLM
training"): so both share a learning rate and a weight decay."""


class Muon(torch.optim.AdamW):
    """AdamW, but the filters of a convolution over two channels or more move along the nearest orthogonal matrix.

    That of Nesterov's momentum, read as a matrix [outputs, inputs · height · width] (Jordan 2024, "Muon: an optimizer
    for hidden layers in neural networks"): all directions are learned at the same pace. Depthwise filters, linear
    layers, biases and normalisation are AdamW's.
    """

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move all parameters that have a gradient; the gradients of filters are gone afterwards."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None and weight.ndim == 4 and weight.shape[1] > 1:
                    towards = self._nesterov(weight).reshape(len(weight), -1)
                    step = RMS * max(towards.shape) ** 0.5 * orthogonal(towards)
                    weight.mul_(1 - group["lr"] * group["weight_decay"])
                    weight.sub_(step.reshape(weight.shape), alpha=group["lr"])
                    weight.grad = None
        super().step()

    def _nesterov(self, weight: Tensor) -> Tensor:
        """The gradient, ahead by its momentum; kept under AdamW's names, which loads the state."""
        state, gradient = self.state[weight], weight.grad
        assert gradient is not None
        if not state:
            state.update(step=torch.zeros(()), exp_avg=torch.zeros_like(weight))
        state["exp_avg"].lerp_(gradient, 1 - MOMENTUM)
        return gradient.lerp(state["exp_avg"], MOMENTUM)


def orthogonal(matrix: Tensor) -> Tensor:
    """Nearly U·Vᵀ of a matrix U·S·Vᵀ [M, N]: of the same shape, with singular values between 0.6 and 1.3.

    By ``STEPS`` Newton-Schulz iterations, which multiply matrices alone; large ones in bfloat16 where that is fast.
    """
    if matrix.shape[0] > matrix.shape[1]:
        return orthogonal(matrix.T).T
    matrix = matrix / (matrix.norm() + 1e-7)
    if matrix.shape[0] >= LARGE and has_bf16():
        matrix = matrix.bfloat16()
    first, third, fifth = QUINTIC
    for _ in range(STEPS):
        square = matrix @ matrix.T
        matrix = first * matrix + (third * square + fifth * square @ square) @ matrix
    return matrix
