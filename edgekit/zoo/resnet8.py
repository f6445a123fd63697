"""ResNet-8 in the shape of MLPerf Tiny's image classifier, for 32×32×3 images."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from edgekit.zoo.blocks import Network, conv, conv_bn_relu


class Resnet8(Network):
    """A 3×3 convolution and three residual blocks of 16, 32 and 64 channels: 78k parameters."""

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        stem = conv_bn_relu(shape[-1], 16)
        blocks = nn.Sequential(Residual(16, 16, 1), Residual(16, 32, 2), Residual(32, 64, 2))
        pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        super().__init__(stem=stem, blocks=blocks, pool=pool, head=nn.Linear(64, classes))


class Residual(nn.Module):
    """Two 3×3 convolutions and a shortcut (He et al. 2016); the shortcut is 1×1 where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = conv_bn_relu(inputs, outputs, stride=stride)
        self.second = nn.Sequential(*conv(outputs, outputs), nn.BatchNorm2d(outputs))
        same = inputs == outputs and stride == 1
        self.shortcut: nn.Module = nn.Identity() if same else nn.Conv2d(inputs, outputs, 1, stride)

    def forward(self, inputs: Tensor) -> Tensor:
        """Features [N, outputs, H / stride, W / stride]."""
        return F.relu(self.second(self.first(inputs)) + self.shortcut(inputs))
