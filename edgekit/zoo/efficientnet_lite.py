"""EfficientNet-Lite: EfficientNet (Tan and Le 2019) for integer hardware, as TensorFlow's authors give it.

ReLU6 instead of Swish, no squeeze-and-excitation, and a first and a last stage that do not grow with ``width`` and
``depth``. Stochastic depth is left out.

| | width | depth | size | dropout |
|---|---|---|---|---|
| Lite0 | 1.0 | 1.0 | 224 | 0.2 |
| Lite1 | 1.0 | 1.1 | 240 | 0.2 |
| Lite2 | 1.1 | 1.2 | 260 | 0.3 |
| Lite3 | 1.2 | 1.4 | 280 | 0.3 |
| Lite4 | 1.4 | 1.8 | 300 | 0.3 |
"""

from __future__ import annotations

import math

from torch import nn

from edgekit.zoo.blocks import Network, bn_act, conv, inverted_residual, scaled

EPS = 1e-3
STAGES = (
    # expansion, kernel, stride, blocks, channels
    (1, 3, 1, 1, 16),
    (6, 3, 2, 2, 24),
    (6, 5, 2, 2, 40),
    (6, 3, 2, 3, 80),
    (6, 5, 1, 3, 112),
    (6, 5, 2, 4, 192),
    (6, 3, 1, 1, 320),
)


class EfficientnetLite(Network):
    """1280 features, of 3.4 (Lite0) to 11.7 million parameters; padded as TensorFlow's SAME for images of ``shape``."""

    def __init__(
        self, shape: tuple[int, int, int], classes: int, width: float = 1.0, depth: float = 1.0, dropout: float = 0.2
    ) -> None:
        size = shape[:2]
        layers = [*conv(shape[-1], 32, stride=2, size=size), *bn_act(32, nn.ReLU6, EPS)]
        size, inputs = _strided(size, 2), 32
        for stage, (expansion, kernel, stride, blocks, channels) in enumerate(STAGES):
            outputs = scaled(channels, width)
            repeats = blocks if stage in (0, len(STAGES) - 1) else math.ceil(blocks * depth)
            for step in (stride, *(1,) * (repeats - 1)):
                hidden = inputs * expansion
                depthwise = conv(hidden, hidden, kernel, step, groups=hidden, size=size)
                layers.append(inverted_residual(inputs, depthwise, outputs, EPS))
                size, inputs = _strided(size, step), outputs
        last = (*conv(inputs, 1280, kernel=1), *bn_act(1280, nn.ReLU6, EPS))
        pool = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout))
        super().__init__(features=nn.Sequential(*layers, *last, *pool), head=nn.Linear(1280, classes))


def _strided(size: tuple[int, int], stride: int) -> tuple[int, int]:
    return -(-size[0] // stride), -(-size[1] // stride)
