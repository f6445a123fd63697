"""DS-CNN (Zhang et al. 2017, "Hello Edge") in the shape of MLPerf Tiny, for 32×32×3 images."""

from __future__ import annotations

from torch import nn

from edgekit.zoo.blocks import Network, conv_bn_act, depthwise_separable


class DsCnn(Network):
    """A strided convolution to 64 channels, four depthwise-separable blocks of 64, global average pooling."""

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        first = conv_bn_act(shape[-1], 64, kernel=5, stride=2)
        blocks = (depthwise_separable(64, 64) for _ in range(4))
        features = nn.Sequential(first, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        super().__init__(features=features, head=nn.Linear(64, classes))
