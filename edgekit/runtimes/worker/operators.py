"""Where the time goes: the time of every operator, by the runtime's own profiler, adding up to a run without it.

A profiler slows a run down, small operators most: ONNX Runtime's spends about as long on writing an operator down as a
small convolution takes. Both runtimes also cut times to whole microseconds. So runs with and without the profiler take
turns, and what is too much or too little is taken off or added where it arises:

- The cost of writing down, and what the clock cuts off, are about the same for every operator: a constant, at most the
  time of the fastest operator and at least minus the microsecond that cutting can lose.
- If the sum is still too large, caches were colder under the profiler: the same share of every operator.
- If it is still too small, the rest belongs to no operator, and the sum stays below the total.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from .. import RUNTIMES
from ..refusal import first_line
from .turns import TURN_NS, turn

WARMUP_RUNS = 5
MIN_RUNS = 15
MAX_RUNS = 2000
DURATION_NS = 250_000_000
TICK_NS = 1000.0

Run = list[tuple[str, str, float]]
"""(name, type, nanoseconds) of each operator in order of execution."""


def time_operators(request: dict[str, Any], emit: Callable[..., None]) -> dict[str, Any]:
    """``operators``: name, type and mean nanoseconds of each; ``total_ns``: the median of a run without the profiler.

    ``profiled_ns`` is what the operators took as the profiler saw them. ``unavailable`` says why there is no answer.
    """
    emit(phase="timing its operators")
    runtime = RUNTIMES[request["runtime"]]
    how = request["model"], request["threads"], request["shapes"]
    try:
        with runtime.profiler(*how) as profiler:
            samples = _take_turns(runtime.start(*how), profiler.run)
            runs = profiler.events()
    except Exception as exc:  # whatever a profiler stumbles over, the measurement stands without it
        return {"unavailable": first_line(exc)}
    return summarize(runs[WARMUP_RUNS:], statistics.median(samples))


def summarize(runs: list[Run], total_ns: float) -> dict[str, Any]:
    """Means over the middle half of the profiled runs, corrected as the module says.

    A clock of whole microseconds needs a mean; a median of the runs without it asks for the runs around the median.
    """
    if not runs or not runs[0]:
        return {"unavailable": "the runtime's profiler reported no operators"}
    alike = sorted((run for run in runs if len(run) == len(runs[0])), key=lambda run: sum(item[2] for item in run))
    middle = alike[len(alike) // 4 : len(alike) - len(alike) // 4]
    means = [sum(run[place][2] for run in middle) / len(middle) for place in range(len(middle[0]))]
    constant = min(min(means), max(-TICK_NS, (sum(means) - total_ns) / len(means)))
    times = [mean - constant for mean in means]
    slowdown = max(1.0, sum(times) / total_ns)
    operators = [
        {"name": name, "type": kind, "mean_ns": spent / slowdown} for (name, kind, _), spent in zip(middle[0], times)
    ]
    return {"operators": operators, "total_ns": total_ns, "profiled_ns": sum(means), "runs": len(middle)}


def _take_turns(plain: Callable[[], object], profiled: Callable[[], object]) -> list[int]:
    """The nanoseconds of the runs without the profiler, of which there are as many turns as of those with it."""
    samples: list[int] = []
    runs = 0
    begin = time.perf_counter_ns()
    while runs < WARMUP_RUNS + MIN_RUNS or (runs < MAX_RUNS and time.perf_counter_ns() - begin < DURATION_NS):
        samples += turn(plain, TURN_NS)
        runs += len(turn(profiled, TURN_NS))
    return samples
