"""ResNet-8 in the shape of MLPerf Tiny's image classifier, for 32×32×3 images."""

from __future__ import annotations

from torch import nn

from edgekit.zoo.blocks import Network, Residual, conv_bn_act


class Resnet8(Network):
    """A 3×3 convolution and three residual blocks of 16, 32 and 64 channels: 78k parameters."""

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        stem = conv_bn_act(shape[-1], 16)
        blocks = nn.Sequential(Residual(16, 16, 1), Residual(16, 32, 2), Residual(32, 64, 2))
        pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        super().__init__(stem=stem, blocks=blocks, pool=pool, head=nn.Linear(64, classes))
