"""``edgekit doctor``: one verb for a machine, a board and a model."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.diagnosis.here import Here, look_here
from edgekit.options import Options


@dataclass(frozen=True)
class DoctorOptions(Options):
    """What to look at."""


def doctor(options: DoctorOptions) -> Here:
    """What this machine has, and what it lacks for which command; nothing is changed or fetched."""
    return look_here()
