"""The MNIST student: a strided convolution and three depthwise-separable blocks."""

from __future__ import annotations

from torch import Tensor, nn

from edgekit.zoo.blocks import conv_bn_relu, depthwise_separable


class MnistTiny(nn.Module):
    """5.6k parameters. Wide kernels where channels are few: a filter tap costs a byte, a channel costs twelve."""

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            conv_bn_relu(shape[-1], 16, kernel=6, stride=2),
            depthwise_separable(16, 32, kernel=5),
            depthwise_separable(32, 32, kernel=4, stride=2),
            depthwise_separable(32, 32, kernel=5),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.head = nn.Linear(32, classes)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits [N, classes] of inputs [N, C, H, W]."""
        logits: Tensor = self.head(self.features(inputs))
        return logits
