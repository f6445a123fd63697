"""What a kernel is given, an operator with its tensors, and what it gives back: the C text of one layer."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from textwrap import fill

import numpy as np
from numpy.typing import NDArray

from edgekit.conversion.c.fixed_point import SCALED, Factor
from edgekit.errors import UnsupportedError
from edgekit.operators.lowered import OperatorRecord, TensorRecord
from edgekit.operators.lowering import ACTIVATION_LIMITS, ACTIVATIONS
from edgekit.scales import INT8_MAX, INT8_MIN, Quantization

LIMITS = {ACTIVATIONS[name]: limits for limits, name in ACTIVATION_LIMITS.items()}
LINE = 112
C_TYPES = {"int8": "int8_t", "uint8": "uint8_t", "int32": "int32_t", "float32": "float"}
"""Of the tensors that C computes with."""
CLAMPED = """\
INLINE int8_t clamped(int32_t value, int32_t low, int32_t high)
{
    return (int8_t)(value < low ? low : value > high ? high : value);
}
"""


@dataclass(frozen=True)
class Layer:
    """A layer's C: the body of its function, and what stands before it.

    Attributes:
        body: statements, indented by four; they read ``in`` (``left`` and ``right``, ``in0`` ...) and write ``out``.
        constants: the arrays that it reads.
        place: the function for one place of a window, if there is one.
        helpers: functions that other layers use too.
        note: what the shapes do not say, for the comment above.
    """

    body: str
    constants: tuple[str, ...] = ()
    place: str = ""
    helpers: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Site:
    """An operator with its tensors, and the name of its C function."""

    name: str
    operator: OperatorRecord
    inputs: tuple[TensorRecord, ...]
    output: TensorRecord

    def option(self, field: str, default: int = 0) -> int:
        """A builtin option."""
        return int(self.operator.options.fields.get(field, default)) if self.operator.options else default

    def refusal(self, why: str) -> UnsupportedError:
        """The error to raise for an operator of a form that C does not take."""
        return UnsupportedError(
            f"{self.operator.code} of '{self.operator.node}' {why}, which the C form does not take; write a .tflite "
            "file ('edgekit export --to tflite') or change that layer of the model."
        )

    def quant(self, position: int = -1) -> Quantization:
        """The scale of an input, or of the output."""
        found = (self.output if position < 0 else self.inputs[position]).quant
        if found is None:
            raise self.refusal("has values that are not quantized")
        return found

    @property
    def item(self) -> int:
        """The bytes of a value of the output."""
        return np.dtype(self.output.dtype).itemsize

    def changes_scale(self, position: int = 0) -> bool:
        """True if stored values of an input mean something else than those of the output."""
        return self.inputs[position].quant != self.output.quant

    @property
    def range(self) -> tuple[int, int]:
        """The smallest and largest stored result that the fused activation lets through."""
        low, high = LIMITS.get(self.option("FusedActivationFunction"), (-math.inf, math.inf))
        stored = [_stored(value, self.quant()) for value in (low, high)]
        return int(max(stored[0], INT8_MIN)), int(min(stored[1], INT8_MAX))


Kernel = Callable[[Site], Layer]


def rescaled(site: Site, value: str, factor: Factor) -> str:
    """The C expression of a stored result: a real one in steps of another size, times ``factor``."""
    if factor.left:
        value = f"(int32_t)((uint32_t){value} << {factor.left})"
    return within(site, f"scaled({value}, {factor.mantissa}, {factor.right})")


def within(site: Site, value: str) -> str:
    """The C expression of a stored result, given its distance from the zero point."""
    low, high = site.range
    return f"clamped({plus(value, site.quant().zero_point)}, {low}, {high})"


def plus(value: str, number: int) -> str:
    """The C expression of a sum with a number."""
    return f"{value} {'-' if number < 0 else '+'} {abs(number)}" if number else value


RESCALING = (SCALED, CLAMPED)
"""What these expressions call."""


def array(kind: str, name: str, values: NDArray[np.integer] | Sequence[str]) -> str:
    """The definition of a constant array, of numbers or of their expressions."""
    texts = values if isinstance(values, Sequence) else [str(value) for value in values.reshape(-1).tolist()]
    numbers = fill(", ".join(texts), LINE, initial_indent=" " * 4, subsequent_indent=" " * 4)
    return f"static const {kind} {name}[{len(texts)}] = {{\n{numbers}\n}};\n"


def constant(name: str, tensor: TensorRecord) -> str:
    """The definition of a constant tensor."""
    data = np.asarray(tensor.data)
    texts = [real(value) for value in data.reshape(-1)] if data.dtype == np.float32 else data
    return array(ctype(tensor), name, texts)


def ctype(tensor: TensorRecord) -> str:
    """What a tensor's values are in C."""
    return C_TYPES[tensor.dtype]


def real(value: float) -> str:
    """A number of float32 in C."""
    return f"{np.float32(value)!s}f"


def shape(sizes: Sequence[int]) -> str:
    """A shape as a comment shows it: 1 x 28 x 28 x 1."""
    return " x ".join(map(str, sizes)) or "1"


def _stored(real: float, quant: Quantization) -> float:
    """A real limit as it is stored: divided in float32, halves rounded away from zero."""
    if math.isinf(real):
        return real
    steps = float(np.float32(real) / np.float32(quant.scale))
    return quant.zero_point + math.copysign(math.floor(abs(steps) + 0.5), steps)
