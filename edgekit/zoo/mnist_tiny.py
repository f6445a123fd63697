"""The MNIST student: a strided convolution and three depthwise-separable blocks."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from edgekit.zoo.blocks import Network, conv_bn_relu, depthwise_separable

STRIDES = (2, 1, 2, 1)


class MnistTiny(Network):
    """5.6k parameters. Wide kernels where channels are few: a filter tap costs a byte, a channel costs twelve.

    ``widths`` and ``kernels`` are those of the first convolution and of the blocks; where the stride is 2 a kernel is
    even, as in ``staged``.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        classes: int,
        widths: Sequence[int] = (16, 32, 32, 32),
        kernels: Sequence[int] = (5, 5, 3, 5),
    ) -> None:
        stem, second, third, last = widths
        first, *others = (kernel + (kernel - stride) % 2 for kernel, stride in zip(kernels, STRIDES, strict=True))
        features = nn.Sequential(
            conv_bn_relu(shape[-1], stem, first, stride=2),
            depthwise_separable(stem, second, others[0]),
            depthwise_separable(second, third, others[1], stride=2),
            depthwise_separable(third, last, others[2]),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        super().__init__(features=features, head=nn.Linear(last, classes))
