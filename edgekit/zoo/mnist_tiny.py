"""The MNIST student: a strided convolution and three depthwise-separable blocks."""

from __future__ import annotations

from torch import nn

from edgekit.zoo.blocks import Network, conv_bn_relu, depthwise_separable


class MnistTiny(Network):
    """5.6k parameters. Wide kernels where channels are few: a filter tap costs a byte, a channel costs twelve."""

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        features = nn.Sequential(
            conv_bn_relu(shape[-1], 16, kernel=6, stride=2),
            depthwise_separable(16, 32, kernel=5),
            depthwise_separable(32, 32, kernel=4, stride=2),
            depthwise_separable(32, 32, kernel=5),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        super().__init__(features=features, head=nn.Linear(32, classes))
