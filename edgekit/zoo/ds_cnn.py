"""DS-CNN (Zhang et al. 2017, "Hello Edge") in the shape of MLPerf Tiny, for 32×32×3 images."""

from __future__ import annotations

from torch import Tensor, nn

from edgekit.zoo.blocks import conv_bn_relu, depthwise_separable


class DsCnn(nn.Module):
    """A strided convolution to 64 channels, four depthwise-separable blocks of 64, global average pooling."""

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            conv_bn_relu(shape[-1], 64, kernel=5, stride=2),
            *(depthwise_separable(64, 64) for _ in range(4)),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.head = nn.Linear(64, classes)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits [N, classes] of inputs [N, C, H, W]."""
        logits: Tensor = self.head(self.features(inputs))
        return logits
