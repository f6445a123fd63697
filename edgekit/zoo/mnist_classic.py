"""The textbook MNIST network: two convolutions, two fully-connected layers."""

from __future__ import annotations

from torch import nn

from edgekit.zoo.blocks import Network


class MnistClassic(Network):
    """32 and 64 filters of 3×3, each with ReLU and 2×2 max-pooling, then 128 units and the classes: 225k parameters."""

    widths = (32, 64, 128)

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        first, second, hidden = self.widths
        height, width = (((side - 2) // 2 - 2) // 2 for side in shape[:2])
        layers = nn.Sequential(
            *(nn.Conv2d(shape[-1], first, 3), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(first, second, 3), nn.ReLU(), nn.MaxPool2d(2)),
            nn.Flatten(),
            *(nn.Linear(second * height * width, hidden), nn.ReLU()),
            nn.Linear(hidden, classes),
        )
        super().__init__(layers=layers)
