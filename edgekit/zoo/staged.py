"""The family of students for photos: stages of blocks, as wide and deep and of the kinds that a card says."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from edgekit.errors import UnknownNameError
from edgekit.zoo.blocks import Network, Residual, conv, conv_bn_act, inverted_residual, require_entries

BLOCKS = ("inverted", "residual")
ACTIVATIONS: dict[str, dict[str, type[nn.Module]]] = {
    "relu": {"inverted": nn.ReLU6, "residual": nn.ReLU},
    "hard_swish": dict.fromkeys(BLOCKS, nn.Hardswish),
    "silu": dict.fromkeys(BLOCKS, nn.SiLU),
}
"""What stands between the layers of each kind of block."""


class Staged(Network):
    """A convolution to ``stem`` channels, stages of blocks, global average pooling, one linear layer.

    Stage i has ``depths[i]`` blocks of ``widths[i]`` channels, and its first block has the stride ``strides[i]``. They
    are ``residual`` (two 3×3 convolutions) or ``inverted`` (to ``expand`` times as many channels, filtered by a
    depthwise ``kernel``, and back), as ``blocks[i]`` says. Where the stride is 2 a kernel is even, which pads
    symmetrically. ``top`` > 0 is the width of a last 1×1 convolution. The ``activation`` is ``relu`` (ReLU6 in inverted
    blocks), ``hard_swish`` or ``silu``.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        classes: int,
        widths: Sequence[int] = (16, 24, 32),
        depths: Sequence[int] = (1, 2, 2),
        strides: Sequence[int] = (1, 2, 2),
        blocks: Sequence[str] = ("inverted", "inverted", "inverted"),
        expand: int = 3,
        kernel: int = 3,
        stem: int = 16,
        stem_stride: int = 1,
        top: int = 0,
        activation: str = "relu",
    ) -> None:
        require_entries(len(widths), "each stage", widths=widths, depths=depths, strides=strides, blocks=blocks)
        if activation not in ACTIVATIONS:
            raise UnknownNameError("activation", activation, ACTIVATIONS)
        kinds = ACTIVATIONS[activation]
        outer, kernel_of_stem = kinds["residual"], 3 if stem_stride == 1 else 4
        layers: list[nn.Module] = [conv_bn_act(shape[-1], stem, kernel_of_stem, stem_stride, activation=outer)]
        inputs = stem
        for width, depth, first, block in zip(widths, depths, strides, blocks, strict=True):
            if block not in BLOCKS:
                raise UnknownNameError("block", block, BLOCKS)
            for stride in (first, *[1] * (depth - 1)):
                if block == "residual":
                    layers.append(Residual(inputs, width, stride, outer))
                else:
                    hidden, even = inputs * expand, (kernel - stride) % 2
                    deep = conv(hidden, hidden, kernel + even, stride, groups=hidden)
                    layers.append(inverted_residual(inputs, deep, width, activation=kinds[block]))
                inputs = width
        if top:
            layers.append(conv_bn_act(inputs, top, 1, activation=outer))
        features = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        super().__init__(features=features, head=nn.Linear(top or inputs, classes))
