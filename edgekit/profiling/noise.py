"""Reasons to doubt a measurement, each with what helps against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.profiling.statistics import LatencyStatistics

WIDE_INTERVAL = 0.02
LONG_TAIL = 1.25
DRIFT = 0.05
BUSY_SHARE = 0.5
STOLEN_SHARE = 0.01
SWITCHED_SHARE = 0.05
CLOCK_CHANGE = 0.05
SHORT_NS = 10_000


@dataclass(frozen=True)
class NoiseWarning:
    """``kind`` is a key of ``find_noise``; ``text`` says what was seen, ``remedy`` what option or command helps."""

    kind: str
    text: str
    remedy: str


def find_noise(
    samples_ns: Sequence[int], latency: LatencyStatistics, measured: Mapping[str, Any], threads: int
) -> tuple[NoiseWarning, ...]:
    """The warnings for one measurement.

    Args:
        samples_ns: the times in order.
        latency: their statistics.
        measured: the worker's result of the task ``measure``.
        threads: how many were asked for.
    """
    machine = measured["machine"]
    width = (latency.p50_high_ns - latency.p50_low_ns) / 2 / latency.p50_ns
    drift = _drift(samples_ns)
    load = (machine["load_average"] or 0.0) / machine["usable_cores"]
    switched = measured["involuntary_switches"] / latency.n
    clock = _change(machine["clock_mhz"], measured["clock_mhz_after"])
    slowed = machine.get("throttled") or ()
    found = {
        "interval": (
            width > WIDE_INTERVAL,
            f"the median is only known to ±{width:.1%}",
            "measure longer with --seconds 10",
        ),
        "tail": (
            latency.p90_ns > LONG_TAIL * latency.p50_ns,
            f"one run in ten took more than {latency.p90_ns / latency.p50_ns:.2f} times the median",
            "close other programs, then measure longer with --seconds 10",
        ),
        "drift": (
            abs(drift) > DRIFT,
            f"the runs became {abs(drift):.1%} {'slower' if drift > 0 else 'faster'} while they were measured",
            f"{'let the machine cool down and ' if drift > 0 else ''}measure longer with --seconds 10",
        ),
        "load": (
            load > BUSY_SHARE,
            f"the machine was busy before: its load was {load:.1f} per core",
            "close other programs",
        ),
        "switches": (
            switched > SWITCHED_SHARE,
            f"{min(1.0, switched):.0%} of the runs were interrupted by other programs",
            f"close them, or measure with fewer --threads than {threads}" if threads > 1 else "close them",
        ),
        "stolen": (
            measured["stolen_share"] > STOLEN_SHARE,
            f"the hypervisor gave {measured['stolen_share']:.1%} of the time to other virtual machines",
            "measure on a machine of its own, or longer with --seconds 10",
        ),
        "governor": (
            machine["governor"] not in (None, "performance"),
            f"the clock is governed by '{machine['governor']}'",
            "set it with 'sudo cpupower frequency-set -g performance'",
        ),
        "clock": (
            abs(clock) > CLOCK_CHANGE,
            f"the clock changed by {clock:+.0%} while it was measured",
            "measure longer with --seconds 10, on a mains supply",
        ),
        "throttled": (
            bool(slowed),
            f"the board slowed itself down ({', '.join(slowed)})",
            "use a stronger power supply" if "under-voltage" in slowed else "cool it and measure again",
        ),
        "threads": (
            threads > machine["usable_cores"],
            f"{threads} threads share {machine['usable_cores']} cores",
            f"use --threads {machine['usable_cores']}",
        ),
        "short": (
            latency.p50_ns < SHORT_NS,
            f"a run of {latency.p50_ns / 1000:.1f} µs is mostly the cost of calling the runtime from Python",
            "compare it with other files, not with other programs",
        ),
    }
    return tuple(NoiseWarning(kind, text, remedy) for kind, (holds, text, remedy) in found.items() if holds)


def _drift(samples_ns: Sequence[int]) -> float:
    """By what share the median of the last third differs from that of the first."""
    third = len(samples_ns) // 3
    if third < 10:
        return 0.0
    return _change(float(np.median(samples_ns[:third])), float(np.median(samples_ns[-third:])))


def _change(before: float | None, after: float | None) -> float:
    return 0.0 if not before or not after else after / before - 1
