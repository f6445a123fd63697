"""Figures as text for people: three significant digits and a unit."""

from __future__ import annotations


def time_text(nanoseconds: float) -> str:
    """``23.4 µs``, ``1.32 ms``, ``2.50 s``."""
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        # Rounded first, so that 999.96 µs becomes 1.00 ms and not 1000 µs.
        if float(f"{nanoseconds / size:.3g}") >= 1:
            return f"{_three_digits(nanoseconds / size)} {unit}"
    return f"{nanoseconds:.0f} ns"


def bytes_text(count: float) -> str:
    """``812 B``, ``11.2 kB``, ``3.41 MB`` (powers of 1000, as files are sold)."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if float(f"{count / size:.3g}") >= 1:
            return f"{_three_digits(count / size)} {unit}"
    return f"{count:.0f} B"


def interval_text(low: float, high: float) -> str:
    """The 95% interval of two shares as percentages: ``99.1 to 99.4%``."""
    return f"{low * 100:.2f} to {high * 100:.2f}%"


def share_text(share: float) -> str:
    """A share of nearly all as a percentage that says 100 only where it is 1: ``99.94%``, ``>99.99%``, ``100%``."""
    if share == 1:
        return "100%"
    return ">99.99%" if share > 0.9999 else f"{share:.2%}"


def _three_digits(value: float) -> str:
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:.{digits}f}"
