"""The MNIST student: a convolution and at most three blocks, depthwise-separable by default."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from edgekit.errors import UnknownNameError
from edgekit.zoo.blocks import Network, conv_bn_act, depthwise_separable, require_entries

BLOCKS = {"separable": depthwise_separable, "plain": conv_bn_act}


class MnistTiny(Network):
    """5.6k parameters. Wide kernels where channels are few: a filter tap costs a byte, a channel costs twelve.

    ``widths``, ``kernels`` and ``strides`` are those of the first convolution and of the blocks; where the stride is 2
    a kernel is even, as in ``staged``. A block is ``separable``, a ``plain`` convolution, or there is ``none``.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        classes: int,
        widths: Sequence[int] = (16, 32, 32, 32),
        kernels: Sequence[int] = (5, 5, 3, 5),
        blocks: Sequence[str] = ("separable", "separable", "separable"),
        strides: Sequence[int] = (2, 1, 2, 1),
    ) -> None:
        layers_of = "the first convolution and each of the blocks"
        require_entries(1 + len(blocks), layers_of, widths=widths, kernels=kernels, strides=strides)
        first, *others = (kernel + (kernel - stride) % 2 for kernel, stride in zip(kernels, strides, strict=True))
        layers: list[nn.Module] = [conv_bn_act(shape[-1], widths[0], first, strides[0])]
        inputs = widths[0]
        for block, width, kernel, stride in zip(blocks, widths[1:], others, strides[1:], strict=True):
            if block == "none":
                continue
            if block not in BLOCKS:
                raise UnknownNameError("block", block, (*BLOCKS, "none"))
            layers.append(BLOCKS[block](inputs, width, kernel, stride))
            inputs = width
        features = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        super().__init__(features=features, head=nn.Linear(inputs, classes))
