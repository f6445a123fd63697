"""Exponentials of fixed-point numbers and what is made of them, in 31 bits, as gemmlowp makes them to the bit."""

from __future__ import annotations

from edgekit.conversion.c.fixed_point import halved, product

LARGEST = (1 << 31) - 1
BARREL = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
"""exp(-2^k) for k = -2, -1, ... 4, in 31 bits."""


def exponential(raw: int, integer_bits: int) -> int:
    """The exponential of a number that is not positive, with so many bits before the point, at most five."""
    if raw == 0:
        return LARGEST
    bits = 31 - integer_bits
    quarter = 1 << (bits - 2)
    rest = (raw & (quarter - 1)) - quarter
    result = _near_zero(max(rest << integer_bits, -LARGEST - 1))
    remainder = rest - raw
    for power, factor in zip(range(-2, integer_bits), BARREL, strict=False):
        if remainder & (1 << (bits + power)):
            result = product(result, factor)
    return result


def logistic(raw: int, integer_bits: int) -> int:
    """1 / (1 + exp(-x))."""
    if raw == 0:
        return 1 << 30
    share = min(_reciprocal(exponential(-abs(raw), integer_bits)) << 1, LARGEST)
    return share if raw > 0 else LARGEST - share


def tanh(raw: int, integer_bits: int) -> int:
    """(1 - e) / (1 + e) with e = exp(-2x), whose exponent is the same bits with one more before the point."""
    if raw == 0:
        return 0
    share = min((_reciprocal(exponential(-abs(raw), integer_bits + 1)) - (1 << 29)) << 2, LARGEST)
    return share if raw > 0 else -share


def _reciprocal(x: int) -> int:
    """2 / (1 + x) of a number in [0, 1], with two bits before the point, by three steps of Newton's method."""
    half = (x + LARGEST + 1) // 2
    found = 1515870810 + product(half, -1010580540)
    for _ in range(3):
        found += product(found, (1 << 29) - product(half, found)) * 4
    return found


def _near_zero(a: int) -> int:
    """The exponential of a number in [-1/4, 0), by its Taylor series around -1/8."""
    middle, third = 1895147668, 715827883
    x = a + (1 << 28)
    square = product(x, x)
    cube, fourth = product(square, x), product(square, square)
    rest = halved(product(halved(fourth, 2) + cube, third) + square, 1)
    return middle + product(middle, x + rest)
