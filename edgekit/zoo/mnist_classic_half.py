"""The textbook MNIST network at half its widths."""

from __future__ import annotations

from edgekit.zoo.mnist_classic import MnistClassic


class MnistClassicHalf(MnistClassic):
    """16 and 32 filters, 64 units: 57k parameters."""

    widths = (16, 32, 64)
