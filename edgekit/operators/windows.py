"""What convolution and pooling share: where the window may stand, and which padding scheme says so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.operators.lowering import Lowering
from edgekit.operators.nodes import Node
from edgekit.operators.padding import emit_pad
from edgekit.scales import Array

SAME, VALID = 0, 1
"""The schema's Padding."""


@dataclass(frozen=True)
class Window:
    """A sliding window over height and width: all pairs are (height, width), in pixels."""

    size: tuple[int, int]
    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    steps: tuple[int, int]
    before: tuple[int, int]

    @classmethod
    def of(cls, low: Lowering, node: Node, kernel: tuple[int, ...] | None = None) -> Window:
        """Read the attributes of a Conv or pool over an image."""
        source, target = low.tensor(node.inputs[0]).shape, low.tensor(node.outputs[0]).shape
        if len(source) != 4:
            raise low.refusal(node, f"works on {len(source) - 2} spatial dimensions instead of 2")
        options = node.attributes
        if options.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
            raise low.refusal(node, "has automatic padding; prepare the model first")
        return cls(
            size=_pair(source[2:]),
            kernel=_pair(kernel or options["kernel_shape"]),
            strides=_pair(options.get("strides", (1, 1))),
            dilations=_pair(options.get("dilations", (1, 1))),
            steps=_pair(target[2:]),
            before=_pair(options.get("pads", (0, 0, 0, 0))[:2]),
        )

    @property
    def after(self) -> tuple[int, int]:
        """Padding that the last step reaches into; what the model asks for beyond it is never read."""
        return _pair(
            max(reach - size - start, 0) for reach, size, start in zip(self._reach, self.size, self.before, strict=True)
        )

    @property
    def scheme(self) -> int | None:
        """VALID or SAME if TFLite would put the window at the same places, else None."""
        if self.before == self.after == (0, 0):
            return VALID
        total = [max(reach - size, 0) for reach, size in zip(self._reach, self.size, strict=True)]
        steps = _pair(-(-size // stride) for size, stride in zip(self.size, self.strides, strict=True))
        half = _pair(amount // 2 for amount in total)
        return SAME if self.steps == steps and self.before == half else None

    @property
    def _reach(self) -> tuple[int, int]:
        """Pixels from the first to the last that any step covers."""
        return _pair(
            (steps - 1) * stride + (kernel - 1) * dilation + 1
            for steps, stride, kernel, dilation in zip(
                self.steps, self.strides, self.kernel, self.dilations, strict=True
            )
        )


def scheme_input(low: Lowering, node: Node, window: Window, lowest: bool = False) -> tuple[int, int]:
    """(index of the input to slide over, padding scheme); a PAD is put before it where no scheme fits."""
    if window.scheme is not None:
        return low.activation(node), window.scheme
    return padded_input(low, node, window, lowest), VALID


def padded_input(low: Lowering, node: Node, window: Window, lowest: bool = False) -> int:
    """Pad the input; with real 0, or with ``lowest`` the smallest value of the type, which no maximum takes."""
    tensor = low.tensor(node.inputs[0])
    amounts = np.zeros((4, 2), np.int64)
    amounts[1:3] = np.transpose([window.before, window.after])
    value = _smallest(np.dtype(tensor.dtype)) if lowest and not _is_never_negative(low, node) else None
    height, width = (sum(sizes) for sizes in zip(window.size, window.before, window.after, strict=True))
    padded = low.scratch((tensor.shape[0], height, width, tensor.shape[1]), tensor)
    emit_pad(low, low.activation(node), padded, amounts, value)
    return padded


def _is_never_negative(low: Lowering, node: Node) -> bool:
    """True if real 0 is no larger than any value of the node's input: XNNPACK has a PAD with 0, but no PADV2."""
    tensor = low.tensor(node.inputs[0])
    if tensor.quant is not None:
        return tensor.quant.zero_point == np.iinfo(tensor.dtype).min
    maker = low.graph.producer(tensor.name)
    return maker is not None and ("Relu" in (maker.op, maker.activation) or maker.activation == "Relu6")


def _smallest(kind: np.dtype[Any]) -> Array:
    return np.asarray([np.finfo(kind).min if kind.kind == "f" else np.iinfo(kind).min], kind)


def _pair(values: Iterable[int]) -> tuple[int, int]:
    first, second = values
    return int(first), int(second)
