"""One file on an emulated board: exact counts instead of times.

Two processes per file: one counts whole runs and the memory, one counts the operators under the runtime's profiler.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edgekit.conversion.c.library import run_job
from edgekit.devices.device import Device, Job
from edgekit.errors import ModelError, RuntimeCrashError
from edgekit.profiling.counts import count_operators, count_runs
from edgekit.profiling.records import Counting, ModelProfile, ProfileOptions
from edgekit.profiling.steps import Steps

ATTEMPTS = 3
"""On a busy machine the clock that tells the operators apart may be read too late."""


def count_file(device: Device, model: ModelProfile, options: ProfileOptions, steps: Steps) -> ModelProfile:
    """The profile of a file with its ``counting``; one that is sound and does not run there is a finding, no error.

    Raises:
        UsageError: the board is not set up.
    """
    path = Path(model.file)
    job = Job("count", model.runtime, path, shapes=options.shape)
    try:
        answer = run_job(device, job, steps.next(path.name))
    except (ModelError, RuntimeCrashError) as exc:
        return replace(model, predictions=(), finding=str(exc)).lacks("predictions", f"{path} does not run there")
    runs = sorted(count_runs(answer["log"]), key=lambda run: run.total)
    counts = runs[(len(runs) - 1) // 2]
    spread = (runs[-1].total - runs[0].total) / max(1, counts.total)
    counting = Counting(device.provenance, counts, spread, answer["heap_bytes"])
    model = replace(model, runtime_version=answer["versions"][model.runtime], counting=counting)
    return _with_operators(model, counting, device, replace(job, task="count-operators"), steps)


def _with_operators(model: ModelProfile, counting: Counting, device: Device, job: Job, steps: Steps) -> ModelProfile:
    watch = steps.next(job.model.name)
    for _ in range(ATTEMPTS):
        try:
            answer = run_job(device, job, watch)
        except (ModelError, RuntimeCrashError) as exc:
            return model.lacks("operators", str(exc))
        if "unavailable" in answer:
            return model.lacks("operators", answer["unavailable"])
        if operators := count_operators(answer["log"], answer["operators"]):
            cost = profiler_cost([operator.counts.total for operator in operators], counting.counts.total)
            return replace(model, counting=replace(counting, operators=operators, profiler_cost=cost))
    return model.lacks("operators", "the operators' times fit no readings of the clock; try on a quieter machine")


def profiler_cost(operators: Sequence[int], whole: int) -> int:
    """What the runtime's profiler adds to each operator, as one number: the operators exceed ``whole`` by it.

    It is at most what the smallest operator took in all.
    """
    return max(0, min(min(operators), (sum(operators) - whole) // len(operators)))
