"""Figures as text for people: three significant digits and a unit."""

from __future__ import annotations


def time_text(nanoseconds: float) -> str:
    """``23.4 µs``, ``1.32 ms``, ``2.50 s``."""
    return _three_digits(nanoseconds, ("s", "ms", "µs", "ns"))


def bytes_text(count: float) -> str:
    """``812 B``, ``11.2 kB``, ``3.41 MB`` (powers of 1000, as files are sold)."""
    return _three_digits(count, ("GB", "MB", "kB", "B"))


def interval_text(low: float, high: float) -> str:
    """The 95% interval of two shares as percentages: ``99.1 to 99.4%``."""
    return f"{low * 100:.2f} to {high * 100:.2f}%"


def share_text(share: float) -> str:
    """A share of nearly all as a percentage that says 100 only where it is 1: ``99.94%``, ``>99.99%``, ``100%``."""
    if share == 1:
        return "100%"
    return ">99.99%" if share > 0.9999 else f"{share:.2%}"


def _three_digits(value: float, units: tuple[str, str, str, str]) -> str:
    """In the largest of ``units`` of which there is one; each is a thousand of the next, and the last stands whole."""
    for unit, size in zip(units, (1e9, 1e6, 1e3), strict=False):
        # Rounded first, so that 999.96 µs becomes 1.00 ms and not 1000 µs.
        if float(f"{value / size:.3g}") >= 1:
            digits = 2 if value / size < 9.995 else 1 if value / size < 99.95 else 0
            return f"{value / size:.{digits}f} {unit}"
    return f"{value:.0f} {units[-1]}"
