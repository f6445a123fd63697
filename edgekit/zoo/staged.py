"""The family of students for photos: stages of one kind of block, as wide and deep as a card says."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from edgekit.errors import UnknownNameError
from edgekit.zoo.blocks import Network, Residual, conv, conv_bn_relu, inverted_residual, require_entries

BLOCKS = ("inverted", "residual")


class Staged(Network):
    """A convolution to ``stem`` channels, stages of blocks, global average pooling, one linear layer.

    Stage i has ``depths[i]`` blocks of ``widths[i]`` channels, and its first block has the stride ``strides[i]``. A
    ``block`` is ``residual`` (two 3×3 convolutions) or ``inverted`` (to ``expand`` times as many channels, filtered by
    a depthwise ``kernel``, and back). Where the stride is 2 a kernel is even, which pads symmetrically. ``top`` > 0 is
    the width of a last 1×1 convolution.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        classes: int,
        widths: Sequence[int] = (16, 24, 32),
        depths: Sequence[int] = (1, 2, 2),
        strides: Sequence[int] = (1, 2, 2),
        block: str = "inverted",
        expand: int = 3,
        kernel: int = 3,
        stem: int = 16,
        stem_stride: int = 1,
        top: int = 0,
    ) -> None:
        require_entries(len(widths), "each stage", widths=widths, depths=depths, strides=strides)
        if block not in BLOCKS:
            raise UnknownNameError("block", block, BLOCKS)
        layers: list[nn.Module] = [conv_bn_relu(shape[-1], stem, 3 if stem_stride == 1 else 4, stem_stride)]
        inputs = stem
        for width, depth, first in zip(widths, depths, strides, strict=True):
            for stride in (first, *[1] * (depth - 1)):
                if block == "residual":
                    layers.append(Residual(inputs, width, stride))
                else:
                    hidden, even = inputs * expand, (kernel - stride) % 2
                    deep = conv(hidden, hidden, kernel + even, stride, groups=hidden)
                    layers.append(inverted_residual(inputs, deep, width))
                inputs = width
        if top:
            layers.append(conv_bn_relu(inputs, top, 1))
        features = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        super().__init__(features=features, head=nn.Linear(top or inputs, classes))
