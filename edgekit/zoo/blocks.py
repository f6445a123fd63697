"""The few blocks that the zoo's networks are made of, and what holds them together."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from edgekit.errors import UsageError

PADDING = 0
"""The id of what is no piece of a sentence."""


def require_entries(count: int, each: str, **given: Sequence[Any]) -> None:
    """Raise UsageError if an argument of a card has not ``count`` entries, one for ``each``."""
    if any(len(values) != count for values in given.values()):
        *names, last = given
        raise UsageError(f"architecture: {', '.join(names)} and {last} must have one entry for {each}.")


class Network(nn.Sequential):
    """Named parts, one after the other."""

    def __init__(self, **parts: nn.Module) -> None:
        super().__init__(OrderedDict(parts))

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits [N, classes] of pictures [N, C, H, W] or ids [N, L]; the exported file's input is called as here."""
        logits: Tensor = super().forward(inputs)  # type: ignore[no-untyped-call]
        return logits


class Shortcut(nn.Sequential):
    """Parts whose result is added to their input."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Features of the shape of ``inputs``."""
        change: Tensor = super().forward(inputs)  # type: ignore[no-untyped-call]
        return inputs + change


def conv(
    inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1, size: tuple[int, int] = (0, 0)
) -> nn.Sequential:
    """A convolution without bias whose output has the input's size divided by ``stride``, rounded up.

    The padding is TensorFlow's SAME, so that TFLite needs no PAD operator: ``size`` (H, W) is the input's, which
    ``stride`` is taken to divide if it is not given. Where the padding is odd there is a pixel more at the bottom and
    right.
    """
    height, width = (max(0, kernel - (side % stride or stride)) for side in size)
    if height % 2 == width % 2 == 0:
        padding = (height // 2, width // 2)
        return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False))
    pad = nn.ZeroPad2d((width // 2, width - width // 2, height // 2, height - height // 2))
    return nn.Sequential(pad, nn.Conv2d(inputs, outputs, kernel, stride, groups=groups, bias=False))


def conv_bn_act(
    inputs: int,
    outputs: int,
    kernel: int = 3,
    stride: int = 1,
    groups: int = 1,
    activation: type[nn.Module] = nn.ReLU,
) -> nn.Sequential:
    """``conv``, batch normalisation, activation."""
    return nn.Sequential(*conv(inputs, outputs, kernel, stride, groups), nn.BatchNorm2d(outputs), activation())


def depthwise_separable(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """A depthwise and a pointwise convolution, each with batch normalisation and ReLU (Howard et al. 2017)."""
    return nn.Sequential(
        *conv_bn_act(inputs, inputs, kernel, stride, groups=inputs),
        *conv_bn_act(inputs, outputs, 1),
    )


class Residual(nn.Module):
    """Two 3×3 convolutions and a shortcut (He et al. 2016); the shortcut is 1×1 where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int, activation: type[nn.Module] = nn.ReLU) -> None:
        super().__init__()
        self.first = conv_bn_act(inputs, outputs, stride=stride, activation=activation)
        self.second = nn.Sequential(*conv(outputs, outputs), nn.BatchNorm2d(outputs))
        same = inputs == outputs and stride == 1
        self.shortcut: nn.Module = nn.Identity() if same else nn.Conv2d(inputs, outputs, 1, stride)
        self.activation = activation()

    def forward(self, inputs: Tensor) -> Tensor:
        """Features [N, outputs, H / stride, W / stride]."""
        outputs: Tensor = self.activation(self.second(self.first(inputs)) + self.shortcut(inputs))
        return outputs


def inverted_residual(
    inputs: int,
    depthwise: nn.Sequential,
    outputs: int,
    eps: float = 1e-5,
    activation: type[nn.Module] = nn.ReLU6,
) -> nn.Sequential:
    """A block of MobileNetV2 (Sandler et al. 2018): expansion, ``depthwise``, and a projection without activation.

    ``depthwise`` ends in a depthwise convolution of the expanded channels; no expansion is needed where these are the
    input's. Where the shape stays the same, the input is added. ``eps`` is that of batch normalisation.
    """
    middle = depthwise[-1]
    assert isinstance(middle, nn.Conv2d)
    hidden = middle.out_channels
    expansion = (nn.Conv2d(inputs, hidden, 1, bias=False), *bn_act(hidden, activation, eps)) if hidden != inputs else ()
    projection = (nn.Conv2d(hidden, outputs, 1, bias=False), nn.BatchNorm2d(outputs, eps))
    kind = Shortcut if middle.stride == (1, 1) and inputs == outputs else nn.Sequential
    return kind(*expansion, *depthwise, *bn_act(hidden, activation, eps), *projection)


def bn_act(channels: int, activation: type[nn.Module], eps: float = 1e-5) -> nn.Sequential:
    """Batch normalisation and an activation."""
    return nn.Sequential(nn.BatchNorm2d(channels, eps), activation())


def scaled(channels: int, width: float) -> int:
    """``channels`` times ``width`` as the MobileNets round it: a multiple of 8, and not less by more than a tenth."""
    exact = channels * width
    rounded = max(8, int(exact + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * exact else rounded + 8


def without_padding(ids: Tensor) -> Tensor:
    """Ids [N, L] without the last columns, where those are padding alone; an exported network has one length.

    A network for which padding changes nothing is then as fast as its sentences are short.
    """
    if torch.compiler.is_exporting():
        return ids
    return ids[:, : max(1, int((ids != PADDING).sum(1).max()))]
