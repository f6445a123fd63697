"""Time to load, time of the first run, time of every later run, and the memory that it took."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import RUNTIMES
from ..runtime import Runtime, refusing
from . import machine, throttling

Emit = Callable[..., None]
Request = dict[str, Any]

WARMUP_RUNS = 3
WARMUP_NS = 250_000_000
PROGRESS_NS = 200_000_000
MAX_LOADS = 5
MAX_LOADS_NS = 300_000_000


def import_runtime(request: Request, emit: Emit) -> tuple[Runtime, dict[str, str]]:
    """The runtime of a request, and the versions, asked now: what this loads is no part of the model's memory.

    Raises:
        Refusal: the runtime is missing.
    """
    emit(phase="importing the runtime")
    runtime = RUNTIMES[request["runtime"]]
    runtime.load()
    versions = {runtime.name: runtime.version(), "numpy": np.__version__}
    emit(phase="loading the file")
    return runtime, versions


def measure(request: Request, emit: Emit) -> dict[str, Any]:
    """Load, run once, warm up, sample for at least ``runs`` runs and ``seconds`` seconds, then load again.

    The peak memory is read before the sampling, so that it does not hold the list of samples; ``baseline_bytes`` is the
    peak before the file is opened. ``load_ns`` is the cold load: the file is dropped from the system's memory before
    it. ``warm_load_ns`` is the median of later ones.

    Raises:
        Refusal: the runtime is missing, or refuses or fails to run the file.
    """
    _, versions = import_runtime(request, emit)
    baseline = machine.peak_memory()
    from_disk = machine.forget_file(request["model"])
    run, load_ns = _load(request)
    before = throttling.state()
    emit(phase="running it for the first time")
    started = time.perf_counter_ns()
    with refusing("it does not run: "):
        run()
    first_ns = time.perf_counter_ns() - started
    emit(phase="running it")
    warmup_runs = _warm_up(run)
    peak = machine.peak_memory()
    switches, (stolen, ticks) = machine.involuntary_switches(), machine.stolen_ticks()
    samples = _sample(run, request["runs"], int(request["seconds"] * 1e9), emit)
    switches = machine.involuntary_switches() - switches
    stolen_after, ticks_after = machine.stolen_ticks()
    clock_mhz = machine.clock_mhz()
    facts = throttling.between(before, throttling.state())
    del run
    return {
        "versions": {**versions, "python": request["machine"]["python"]},
        "machine": {**request["machine"], **facts},
        "load_ns": load_ns,
        "warm_load_ns": _load_again(request),
        "load_from_disk": from_disk,
        "first_ns": first_ns,
        "warmup_runs": warmup_runs,
        "samples_ns": samples,
        "peak_bytes": peak,
        "baseline_bytes": baseline,
        "clock_mhz_after": clock_mhz,
        "involuntary_switches": switches,
        "stolen_share": (stolen_after - stolen) / max(1, ticks_after - ticks),
    }


def _load(request: Request) -> tuple[Callable[[], object], int]:
    runtime = RUNTIMES[request["runtime"]]
    started = time.perf_counter_ns()
    run = runtime.start(request["model"], request["threads"], request["shapes"])
    return run, time.perf_counter_ns() - started


def _load_again(request: Request) -> float:
    """Each time the model before is closed first: two at once need memory that one does not."""
    times: list[int] = []
    while len(times) < MAX_LOADS and sum(times) < MAX_LOADS_NS:
        run, nanoseconds = _load(request)
        del run
        times.append(nanoseconds)
    return float(statistics.median(times))


def _warm_up(run: Callable[[], object]) -> int:
    """Run until caches, branch predictors and the clock have settled; how many runs that took."""
    runs = 0
    started = time.perf_counter_ns()
    while runs < WARMUP_RUNS or time.perf_counter_ns() - started < WARMUP_NS:
        run()
        runs += 1
    return runs


def _sample(run: Callable[[], object], runs: int, duration_ns: int, emit: Emit) -> list[int]:
    """The nanoseconds of each run. Nothing but the clock is touched between runs, and progress now and then."""
    now = time.perf_counter_ns
    samples: list[int] = []
    gc.disable()
    begin = reported = now()
    while True:
        started = now()
        run()
        ended = now()
        samples.append(ended - started)
        if len(samples) >= runs and ended - begin >= duration_ns:
            gc.enable()
            return samples
        if ended - reported > PROGRESS_NS:
            emit(progress=min(len(samples) / runs, (ended - begin) / max(1, duration_ns)))
            reported = now()
