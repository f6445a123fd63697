"""Real factors as integers, rounded as TFLite's reference kernels do: a mantissa of 31 bits and a power of two.

Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", 2018, 2.2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

MANTISSA_BITS = 31
SCALED = """\
/* x / 2^right, rounded to the nearest, halves away from zero. */
INLINE int32_t halved(int32_t x, int right)
{
    const int32_t mask = (int32_t)((UINT32_C(1) << right) - 1);
    return (x >> right) - (((mask >> 1) - (x >> 31) - (x & mask)) >> 31);
}

/* x * multiplier / 2^31 / 2^right, rounded to the nearest twice: halves up, then away from zero. */
INLINE int32_t scaled(int32_t x, int32_t multiplier, int right)
{
    return halved((int32_t)(((int64_t)x * multiplier + (INT64_C(1) << 30)) >> 31), right);
}
"""
"""The C function that multiplies by a ``Factor``."""


@dataclass(frozen=True)
class Factor:
    """``mantissa`` · 2^(``exponent`` - 31)."""

    mantissa: int
    exponent: int

    @classmethod
    def of(cls, real: float) -> Factor:
        """The nearest to a number that is not negative; what is below 2^-32 is 0."""
        fraction, exponent = math.frexp(real)
        mantissa = math.floor(fraction * (1 << MANTISSA_BITS) + 0.5)
        if mantissa == 1 << MANTISSA_BITS:
            mantissa, exponent = mantissa // 2, exponent + 1
        return cls(mantissa, exponent) if exponent >= -MANTISSA_BITS else cls(0, 0)

    @property
    def left(self) -> int:
        """Places that a value is moved to the left before it is multiplied."""
        return max(self.exponent, 0)

    @property
    def right(self) -> int:
        """Places that the product is moved to the right."""
        return max(-self.exponent, 0)

    def times(self, value: int) -> int:
        """The product with a number, as C computes it."""
        return halved(product(value << self.left, self.mantissa), self.right)


def product(a: int, b: int) -> int:
    """The product of two numbers over 2^31, halves up."""
    return (a * b + (1 << (MANTISSA_BITS - 1))) >> MANTISSA_BITS


def halved(value: int, times: int) -> int:
    """A number over 2^times, halves away from zero."""
    mask = (1 << times) - 1
    return (value >> times) + ((value & mask) > (mask >> 1) + (value < 0))
