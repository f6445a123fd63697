"""The few blocks that the zoo's networks are made of."""

from __future__ import annotations

from torch import nn


def conv_bn_relu(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution with half padding, batch normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


def depthwise_separable(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """A depthwise and a pointwise convolution, each with batch normalisation and ReLU (Howard et al. 2017)."""
    return nn.Sequential(
        *conv_bn_relu(inputs, inputs, kernel, stride, groups=inputs),
        *conv_bn_relu(inputs, outputs, 1),
    )
