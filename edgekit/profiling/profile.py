"""The verb ``profile``: how big a model file is, how much memory it takes and how fast it runs on a device.

Every figure of time and memory comes from a fresh process on the device that does one thing: run the model, run it
under the runtime's profiler, load it in TFLite Micro, or let several models take turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from edgekit.console import Bar, Display, progress
from edgekit.devices.device import Device, Job, Watch, open_device
from edgekit.errors import EdgekitError, RuntimeCrashError, UsageError
from edgekit.files import require_file
from edgekit.graph.isolated import model_sha256
from edgekit.modelfiles.model_ref import find_models
from edgekit.modelfiles.runtime_choice import default_runtime, find_runtime
from edgekit.modelfiles.session import vet
from edgekit.profiling.noise import find_noise
from edgekit.profiling.ratio import compare_latency
from edgekit.profiling.records import (
    Arena,
    LoadTime,
    Memory,
    ModelProfile,
    OperatorProfile,
    ProfileOptions,
    ProfileResult,
)
from edgekit.profiling.show import show
from edgekit.profiling.statistics import summarize

__all__ = ["ProfileOptions", "ProfileResult", "profile", "profile_file", "profile_on", "show"]

STEPS = ("measure", "operators", "arena")
PERCENT = 100


def profile(models: Sequence[str], options: ProfileOptions | None = None) -> ProfileResult:
    """Profile models on the device of the options. Raises as ``profile_on`` does, and what opening it raises."""
    options = options or ProfileOptions()
    with closing(open_device(options.device)) as device:
        return profile_on(device, models, options)


def profile_on(
    device: Device, models: Sequence[str], options: ProfileOptions, display: Display = progress
) -> ProfileResult:
    """Profile models on an opened device, each ``MODEL`` or ``MODEL@RUNTIME`` as ``find_models`` reads it.

    ``display`` shows the progress.

    Raises:
        UsageError: an option or a name is unknown, or the runtime is not installed.
        ModelError: a file is missing, broken, or not of a kind that a runtime opens.
        RuntimeCrashError: a native runtime crashed, hung or ran out of memory on a file.
    """
    targets = [target for model in models for target in find_models(model, options.runtime or None)]
    for target in targets:
        require_file(target.path)
        choose_runtime(target.path, target.runtime)
    profiles = []
    turns = len(targets) if options.turns and len(targets) > 1 and device.provenance == "measured" else 0
    with display("profiling", (len(targets) * len(STEPS) + turns) * PERCENT) as bar:
        for number, target in enumerate(targets):
            steps = _Steps(bar, number * len(STEPS), target.path.name)
            profiles.append(profile_file(target.path, device, replace(options, runtime=target.runtime), steps))
        result = ProfileResult(device.name, device.provenance, tuple(profiles))
        if not turns:
            return result
        steps = _Steps(bar, len(targets) * len(STEPS), "taking turns")
        try:
            return replace(result, ratios=compare_latency(targets, device, options, partial(steps.spread, turns)))
        except EdgekitError as exc:  # each file alone was measured: that stands
            return replace(result, no_ratios=str(exc))


def choose_runtime(path: Path, wanted: str) -> str:
    """The runtime that opens a file: ``wanted``, or the usual one for the file's kind.

    Raises:
        ModelError: no runtime opens such a file.
        UsageError: ``wanted`` opens files of another kind, or is not one to be timed here.
        UnknownNameError: there is no such runtime.
    """
    runtime = find_runtime(wanted or default_runtime(path))
    if runtime.suffix != path.suffix.lower():
        raise UsageError(f"--runtime {wanted} does not open {path.name}; use {default_runtime(path)}.")
    if not runtime.is_timed:
        raise UsageError(f"--runtime {wanted} is not timed here; use {default_runtime(path)}, with it comes the arena.")
    return runtime.name


def profile_file(path: Path, device: Device, options: ProfileOptions, steps: _Steps | None = None) -> ModelProfile:
    """Profile one file on an opened device. Raises as ``profile`` does."""
    runtime = choose_runtime(path, options.runtime)
    steps = steps or _Steps()
    contents = vet(path)
    job = Job("measure", runtime, path, options.threads, options.runs, options.seconds, pin=options.pin)
    measured = device.run(job, steps.watch("measure"))
    missing: dict[str, str] = {}
    operators = _optional(device, replace(job, task="operators"), steps, missing)
    arena = None
    if path.suffix.lower() == ".tflite":
        arena = _optional(device, replace(job, task="arena", runtime="tflm"), steps, missing)
    samples = measured["samples_ns"]
    latency = summarize(samples)
    return ModelProfile(
        file=str(path),
        sha256=model_sha256(path),
        runtime=runtime,
        runtime_version=measured["versions"][runtime],
        threads=options.threads,
        contents=contents,
        load=LoadTime(measured["load_ns"], measured["warm_load_ns"], measured["load_from_disk"]),
        first_ns=measured["first_ns"],
        warmup_runs=measured["warmup_runs"],
        latency=latency,
        memory=Memory(measured["peak_bytes"], measured["baseline_bytes"]),
        operators=OperatorProfile.from_dict(operators) if operators else None,
        arena=Arena(**arena) if arena else None,
        missing=missing,
        warnings=find_noise(samples, latency, measured, options.threads),
        machine={**measured["machine"], "clock_mhz_after": measured["clock_mhz_after"]},
        versions=measured["versions"],
        samples_ns=tuple(samples),
    )


def _optional(device: Device, job: Job, steps: _Steps, missing: dict[str, str]) -> dict[str, Any] | None:
    """A job whose failure costs a part of the profile only: then None, and the reason in ``missing``."""
    try:
        answer = device.run(job, steps.watch(job.task))
    except RuntimeCrashError as exc:
        answer = {"unavailable": str(exc)}
    if "unavailable" not in answer:
        return answer
    missing[job.task] = answer["unavailable"].rstrip(".")
    return None


class _Steps:
    """Turns the progress of one task of one file into that of the whole command."""

    def __init__(self, bar: Bar | None = None, first: int = 0, name: str = "") -> None:
        self._bar, self._first, self._name = bar, first, name

    def watch(self, task: str) -> Watch:
        step = self._first + STEPS.index(task)
        self(step, 0.0)
        return partial(self, step)

    def spread(self, steps: int, share: float) -> None:
        """The progress of a task that takes as long as ``steps`` others."""
        self(self._first, share * steps)

    def __call__(self, step: int, share: float) -> None:
        if self._bar is not None:
            self._bar.update(int((step + share) * PERCENT), self._name)
