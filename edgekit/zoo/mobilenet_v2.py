"""MobileNetV2 (Sandler et al. 2018), padded as PyTorch pads: the weights that PyTorch's authors trained need it."""

from __future__ import annotations

from torch import nn

from edgekit.zoo.blocks import Network, bn_act, inverted_residual, scaled

STAGES = (
    # expansion, stride, blocks, channels
    (1, 1, 1, 16),
    (6, 2, 2, 24),
    (6, 2, 3, 32),
    (6, 2, 4, 64),
    (6, 1, 3, 96),
    (6, 2, 3, 160),
    (6, 1, 1, 320),
)


class MobilenetV2(Network):
    """Table 2 of the paper: 3.5 million parameters for 1,000 classes where ``width`` is 1, and 1280 features."""

    def __init__(self, shape: tuple[int, int, int], classes: int, width: float = 1.0, dropout: float = 0.2) -> None:
        inputs, features = scaled(32, width), scaled(1280, max(1.0, width))
        layers = [nn.Conv2d(shape[-1], inputs, 3, 2, padding=1, bias=False), *bn_act(inputs, nn.ReLU6)]
        for expansion, stride, blocks, channels in STAGES:
            outputs = scaled(channels, width)
            for step in (stride, *(1,) * (blocks - 1)):
                hidden = inputs * expansion
                depthwise = nn.Conv2d(hidden, hidden, 3, step, padding=1, groups=hidden, bias=False)
                layers.append(inverted_residual(inputs, nn.Sequential(depthwise), outputs))
                inputs = outputs
        last = (nn.Conv2d(inputs, features, 1, bias=False), *bn_act(features, nn.ReLU6))
        pool = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout))
        super().__init__(features=nn.Sequential(*layers, *last, *pool), head=nn.Linear(features, classes))
