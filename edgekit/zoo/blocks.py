"""The few blocks that the zoo's networks are made of, and what holds them together."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn
from torch.nn import functional as F


class Network(nn.Sequential):
    """Named parts, one after the other."""

    def __init__(self, **parts: nn.Module) -> None:
        super().__init__(OrderedDict(parts))

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits [N, classes] of inputs [N, C, H, W]; the exported file's input is called as here."""
        logits: Tensor = super().forward(inputs)  # type: ignore[no-untyped-call]
        return logits


def conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """A convolution without bias whose output has the input's size divided by ``stride``.

    The padding is TensorFlow's SAME for sizes that ``stride`` divides, so that TFLite needs no PAD operator; where
    kernel and stride are not both odd or both even it is one pixel larger at the bottom and right.
    """
    before, odd = divmod(kernel - stride, 2)
    if not odd:
        return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, before, groups=groups, bias=False))
    pad = nn.ZeroPad2d((before, before + 1, before, before + 1))
    return nn.Sequential(pad, nn.Conv2d(inputs, outputs, kernel, stride, groups=groups, bias=False))


def conv_bn_relu(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """``conv``, batch normalisation, ReLU."""
    return nn.Sequential(*conv(inputs, outputs, kernel, stride, groups), nn.BatchNorm2d(outputs), nn.ReLU())


def depthwise_separable(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """A depthwise and a pointwise convolution, each with batch normalisation and ReLU (Howard et al. 2017)."""
    return nn.Sequential(
        *conv_bn_relu(inputs, inputs, kernel, stride, groups=inputs),
        *conv_bn_relu(inputs, outputs, 1),
    )


class Residual(nn.Module):
    """Two 3×3 convolutions and a shortcut (He et al. 2016); the shortcut is 1×1 where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = conv_bn_relu(inputs, outputs, stride=stride)
        self.second = nn.Sequential(*conv(outputs, outputs), nn.BatchNorm2d(outputs))
        same = inputs == outputs and stride == 1
        self.shortcut: nn.Module = nn.Identity() if same else nn.Conv2d(inputs, outputs, 1, stride)

    def forward(self, inputs: Tensor) -> Tensor:
        """Features [N, outputs, H / stride, W / stride]."""
        return F.relu(self.second(self.first(inputs)) + self.shortcut(inputs))


class Inverted(nn.Module):
    """1×1 to ``expand`` times as many channels, depthwise ``kernel``, 1×1 back (Sandler et al. 2018).

    The result is added to what came in where the shape stays. Where the stride is 2 an odd kernel is made even, which
    pads symmetrically.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, expand: int = 3, kernel: int = 3) -> None:
        super().__init__()
        width = inputs * expand
        wide = conv_bn_relu(inputs, width, 1)
        deep = conv_bn_relu(width, width, kernel + (kernel - stride) % 2, stride, groups=width)
        self.layers = nn.Sequential(wide, deep, *conv(width, outputs, 1), nn.BatchNorm2d(outputs))
        self.adds = inputs == outputs and stride == 1

    def forward(self, inputs: Tensor) -> Tensor:
        """Features [N, outputs, H / stride, W / stride]."""
        outputs: Tensor = self.layers(inputs)
        return inputs + outputs if self.adds else outputs
