"""Reasons to doubt a measurement, each with what helps against it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
LONGER = "measure longer with --seconds 10"


@dataclass(frozen=True)
class NoiseWarning:
    """``kind`` names it; ``text`` says what was seen, ``remedy`` what option or command helps."""

    kind: str
    text: str
    remedy: str


def find_noise(
    samples_ns: Sequence[int], latency: LatencyStatistics, measured: Mapping[str, Any], threads: int
) -> Iterator[NoiseWarning]:
    """The warnings for one measurement.

    Args:
        samples_ns: the times in order.
        latency: their statistics.
        measured: the worker's result of the task ``measure``.
        threads: how many were asked for.
    """
    machine = measured["machine"]
    width = (latency.p50_high_ns - latency.p50_low_ns) / 2 / latency.p50_ns
    if width > WIDE_INTERVAL:
        yield NoiseWarning("interval", f"the median is only known to ±{width:.1%}", LONGER)
    tail = latency.p90_ns / latency.p50_ns
    if tail > LONG_TAIL:
        text = f"one run in ten took more than {tail:.2f} times the median"
        yield NoiseWarning("tail", text, f"close other programs, then {LONGER}")
    drift = _drift(samples_ns)
    if abs(drift) > DRIFT:
        direction, first = ("slower", "let the machine cool down and ") if drift > 0 else ("faster", "")
        text = f"the runs became {abs(drift):.1%} {direction} while they were measured"
        yield NoiseWarning("drift", text, first + LONGER)
    load = (machine["load_average"] or 0.0) / machine["usable_cores"]
    if load > BUSY_SHARE:
        text = f"the machine was busy before: its load was {load:.1f} per core"
        yield NoiseWarning("load", text, "close other programs")
    switched = measured["involuntary_switches"] / latency.n
    if switched > SWITCHED_SHARE:
        text = f"{min(1.0, switched):.0%} of the runs were interrupted by other programs"
        fewer = f", or measure with fewer --threads than {threads}" if threads > 1 else ""
        yield NoiseWarning("switches", text, f"close them{fewer}")
    if (stolen := measured["stolen_share"]) > STOLEN_SHARE:
        text = f"the hypervisor gave {stolen:.1%} of the time to other virtual machines"
        yield NoiseWarning("stolen", text, "measure on a machine of its own, or longer with --seconds 10")
    if (governor := machine["governor"]) not in (None, "performance"):
        remedy = "set it with 'sudo cpupower frequency-set -g performance'"
        yield NoiseWarning("governor", f"the clock is governed by '{governor}'", remedy)
    clock = _change(machine["clock_mhz"], measured["clock_mhz_after"])
    if abs(clock) > CLOCK_CHANGE:
        text = f"the clock changed by {clock:+.0%} while it was measured"
        yield NoiseWarning("clock", text, f"{LONGER}, on a mains supply")
    if slowed := machine.get("throttled"):
        remedy = "use a stronger power supply" if "under-voltage" in slowed else "cool it and measure again"
        yield NoiseWarning("throttled", f"the board slowed itself down ({', '.join(slowed)})", remedy)
    if threads > (cores := machine["usable_cores"]):
        yield NoiseWarning("threads", f"{threads} threads share {cores} cores", f"use --threads {cores}")
    if latency.p50_ns < SHORT_NS:
        text = f"a run of {latency.p50_ns / 1000:.1f} µs is mostly the cost of calling the runtime from Python"
        yield NoiseWarning("short", text, "compare it with other files, not with other programs")


def _drift(samples_ns: Sequence[int]) -> float:
    """By what share the median of the last third differs from that of the first."""
    third = len(samples_ns) // 3
    if third < 10:
        return 0.0
    return _change(float(np.median(samples_ns[:third])), float(np.median(samples_ns[-third:])))


def _change(before: float | None, after: float | None) -> float:
    return 0.0 if not before or not after else after / before - 1
