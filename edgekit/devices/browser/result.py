"""What a page found, as the profiling worker would say it. It comes from a browser, so nothing in it is believed."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from edgekit.artifact import Array
from edgekit.devices.device import Job
from edgekit.errors import DeviceError, ModelError

NS_PER_MS = 1e6
MAX_SAMPLES = 10_000_000
MAX_TEXT = 300
BROWSERS = (
    ("Edg", "Edge"),
    ("OPR", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("CriOS", "Chrome"),
    ("FxiOS", "Firefox"),
    ("Firefox", "Firefox"),
    ("HeadlessChrome", "headless Chrome"),
    ("Chrome", "Chrome"),
    ("Version", "Safari"),
)
"""Words of a user agent by which browsers are told apart, the telling ones first: most also claim to be others."""


def measured(
    found: Mapping[str, Any], job: Job, version: str, machine: Mapping[str, Any], expected: Array
) -> dict[str, Any]:
    """The answer to a job of the task ``measure`` (``edgekit.runtimes.worker.measure``).

    Args:
        found: what the page posted.
        job: what it was asked.
        version: of the runtime in the page.
        machine: what is known of the machine that the browser runs on.
        expected: the output for the job's input here, flat.

    Raises:
        ModelError: the runtime in the page refuses the file.
        DeviceError: what came is not what the page sends.
    """
    if "error" in found:
        raise ModelError(
            f"{job.named} does not run in the browser ({_text(found['error'])}); "
            "check that the page was left in front, or export the file again."
        )
    try:
        samples = [_nanoseconds(value) for value in _list(found["samples_ms"], MAX_SAMPLES)]
        agent = _text(found["user_agent"])
        facts = {
            "user_agent": agent,
            "browser": browser_name(agent),
            "clock_step_ns": _nanoseconds(found["clock_ms"]),
            "runs_per_sample": int(found["runs_per_sample"]),
            "cross_origin_isolated": bool(found["cross_origin_isolated"]),
            "largest_difference_from_here": _difference(found["output"], expected),
        }
        cores = found["cores"] if isinstance(found.get("cores"), int) and found["cores"] > 0 else 1
        return {
            "versions": {job.runtime: f"{version} in {browser_name(agent)}"},
            "machine": {"cores": cores, "usable_cores": cores, **machine, **facts},
            "load_ns": _nanoseconds(found["load_ms"]),
            "warm_load_ns": float(_nanoseconds(found["warm_load_ms"])),
            "load_from_disk": None,
            "first_ns": _nanoseconds(found["first_ms"]),
            "warmup_runs": int(found["warmup_runs"]),
            "samples_ns": samples,
            "peak_bytes": None,
            "baseline_bytes": None,
            "clock_mhz_after": machine.get("clock_mhz"),
            "involuntary_switches": 0,
            "stolen_share": 0.0,
        }
    except (KeyError, TypeError, ValueError, OverflowError) as exc:
        raise DeviceError(
            f"The page sent a result that lacks something or is impossible ({type(exc).__name__}: {exc}); reload it."
        ) from exc


def browser_name(agent: str) -> str:
    """As in ``Chrome 131``; the user agent itself if it is of no known form."""
    for word, name in BROWSERS:
        if version := re.search(rf"\b{word}/(\d+)", agent):
            return f"{name} {version[1]}"
    return agent or "an unknown browser"


def system_name(agent: str) -> str:
    """As in ``Linux; Android 10; K``: what a browser says of the system that it runs on; empty if nothing."""
    found = re.search(r"\(([^)]*)\)", agent)
    return found[1] if found else ""


def _difference(values: Any, expected: Array) -> float:
    output = np.array(_list(values, expected.size), np.float64)
    if output.shape != expected.shape:
        raise ValueError(f"{output.size} outputs instead of {expected.size}")
    return float(np.abs(output - expected.astype(np.float64)).max())


def _nanoseconds(milliseconds: Any) -> int:
    value = float(milliseconds)
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"a time of {milliseconds} ms")
    return max(1, round(value * NS_PER_MS))


def _list(values: Any, largest: int) -> list[Any]:
    if not isinstance(values, list) or not 0 < len(values) <= largest:
        raise ValueError("a list that is too short or too long")
    return values


def _text(value: Any) -> str:
    return str(value)[:MAX_TEXT].rstrip(".")
