"""``--budget instructions=2e6,size=16000``: limits on what a file may cost, for a check that fails."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from edgekit.errors import GateError, UnknownNameError, UsageError

LIMITS: Mapping[str, str] = {
    "instructions": "instructions a run on an emulated board",
    "size": "bytes of file",
    "memory": "bytes of memory on an emulated board",
}


def read_budget(text: str) -> dict[str, float]:
    """The limits of the option's text, by name; none for an empty text.

    Raises:
        UsageError: a limit is unknown or no positive number.
    """
    limits: dict[str, float] = {}
    for part in text.split(",") if text else ():
        name, _, number = part.strip().partition("=")
        if name not in LIMITS:
            raise UnknownNameError("limit of --budget", name, LIMITS)
        try:
            limits[name] = float(number)
        except ValueError:
            limits[name] = math.nan
        if not 0 < limits[name] < math.inf:
            raise UsageError(f"--budget {part.strip()} has no positive number; write it as in size=16000.")
    return limits


def check_budget(limits: Mapping[str, float], found: Iterable[tuple[str, Mapping[str, float]]]) -> None:
    """Check the figures of files, each a file's name and its figures by the names of the limits.

    Raises:
        GateError: a figure is over its limit; the message names every such figure.
        UsageError: a file has no such figure.
    """
    over = []
    for file, figures in found:
        for name, limit in limits.items():
            if name not in figures:
                raise UsageError(f"--budget {name}={limit:g}: {file} has no such figure here: {LIMITS[name]}.")
            if figures[name] > limit:
                share = figures[name] / limit - 1
                over.append(f"{file} takes {figures[name]:,.0f} {LIMITS[name]}, {share:.1%} over {name}={limit:,.0f}")
    if over:
        raise GateError(f"Over the budget: {'; '.join(over)}; make it smaller, or raise --budget.")
