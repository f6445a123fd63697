"""Keeping a process on cores of its own choice, so that it is not moved between them while it is timed.

A thread that moves loses its caches, and on a processor with large and small cores it changes its speed. Threads that a
runtime starts inherit the cores of the process.
"""

from __future__ import annotations

import os
from pathlib import Path

from ..refusal import Refusal
from .machine import text_of

SYSTEM = Path("/sys/devices/system/cpu")


def pin(choice: str, threads: int) -> list[int] | None:
    """Restrict this process to the cores that ``choice`` names; the answer is their numbers, None where none are.

    ``off`` restricts nothing. ``auto`` takes as many as there are threads: the largest, no two of them on one physical
    core if that can be, the last ones first, since the first core serves most interrupts. Else the numbers of cores,
    separated by commas.

    Raises:
        Refusal: it names a core that this process may not use.
    """
    if choice == "off" or not hasattr(os, "sched_setaffinity"):
        return None
    usable = sorted(os.sched_getaffinity(0))
    chosen = _best(usable, threads) if choice == "auto" else sorted({int(number) for number in choice.split(",")})
    strange = [core for core in chosen if core not in usable]
    if strange:
        names = ",".join(map(str, usable))
        raise Refusal("option", f"--pin {choice}: there is no core {strange[0]} to use there; it has {names}")
    os.sched_setaffinity(0, chosen)
    return chosen


def _best(usable: list[int], threads: int) -> list[int]:
    return sorted(sorted(usable, key=lambda core: (_share(core), -_capacity(core), -core))[:threads])


def _share(core: int) -> int:
    """0 for the first hardware thread of a physical core, 1 for its second one."""
    siblings = text_of(SYSTEM / f"cpu{core}/topology/thread_siblings_list").replace("-", ",").split(",")
    return siblings.index(str(core)) if str(core) in siblings else 0


def _capacity(core: int) -> int:
    """How fast a core is beside its neighbours, where the system tells (arm's cpu_capacity, else the highest clock)."""
    for name in ("cpu_capacity", "cpufreq/cpuinfo_max_freq"):
        text = text_of(SYSTEM / f"cpu{core}/{name}")
        if text.isdecimal():
            return int(text)
    return 0
