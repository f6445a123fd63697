"""What EdgeKit knows of an ONNX operator in a prepared model, as one row of the table that every part reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from edgekit.operators.nodes import Node
from edgekit.scales import Quantization

if TYPE_CHECKING:
    from edgekit.operators.lowering import Lowering

WEIGHTS, BIAS = 1, 2
"""Input positions of an operator's weights and of its bias, whose scale follows from those of its input and weights."""
LoweringFunction = Callable[["Lowering", Node], None]


class Channels(IntEnum):
    """What an operator does with the channels, axis 1, of what it reads; each value includes those before it."""

    MIXED = 0
    PROPORTIONAL = 1
    """A channel times ``s`` gives a channel of the result times ``s``, if its place can be told."""
    PASSED = 2
    """An error of a channel is found again in the same channel of the result, about as large."""


@dataclass(frozen=True)
class Weights:
    """An operator with constant weights at input 1, and perhaps a bias at input 2.

    ``axis`` is that of the weights' output channels; ``per_channel`` says that each of them has an int8 scale,
    ``packed`` that runtimes read its weights of 4 bits two from a byte, so that fewer than 8 are worth something.
    """

    axis: int
    per_channel: bool = True
    packed: bool = True


@dataclass(frozen=True)
class Int8:
    """What the LiteRT 8-bit quantization specification asks of an operator.

    ``constants``: a constant input is stored like an activation. ``ties``: inputs and output share one scale and zero
    point. ``output``: fixed ones.
    """

    constants: bool = False
    ties: bool = False
    output: Quantization | None = None


PLAIN, TIED = Int8(), Int8(ties=True)
ARITHMETIC, JOINING = Int8(constants=True), Int8(constants=True, ties=True)


@dataclass(frozen=True)
class Operator:
    """One ONNX operator, with its lowering to TFLite.

    Attributes:
        name: of the standard operator set.
        lower: writes a node of it as TFLite operators.
        int8: how it computes in 8 bits; None if it does not in every runtime: then it stays in float.
        weights: its weights, if it has some of its own.
        takes_activation: a TFLite runtime computes a Relu and the like behind it inside it, without rounding between.
        linear: ``k`` times the inputs give ``k`` times the result, so all of them have one unit.
        channels: what it does with channels.
        per_value: each value of the result comes from the value at the same place of the first input alone.
        is_activation: a runtime may compute it inside the operator before.
        reshapes: it only gives the values other axes, in the same order.
    """

    name: str
    lower: LoweringFunction
    int8: Int8 | None = None
    weights: Weights | None = None
    takes_activation: bool = False
    linear: bool = False
    channels: Channels = Channels.MIXED
    per_value: bool = False
    is_activation: bool = False
    reshapes: bool = False

    @property
    def int8_axis(self) -> int | None:
        """The axis along which its int8 weights have scales of their own; None where one scale is for all."""
        return self.weights.axis if self.weights is not None and self.weights.per_channel else None
