"""One file timed on a device.

Every figure comes from a fresh process there that does one thing: run the model, run it under the runtime's profiler,
or load it in TFLite Micro.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from edgekit.conversion.c.library import run_job
from edgekit.devices.device import Device, Job
from edgekit.errors import RuntimeCrashError
from edgekit.profiling.noise import find_noise
from edgekit.profiling.records import Arena, LoadTime, Memory, ModelProfile, OperatorProfile, ProfileOptions, Timing
from edgekit.profiling.statistics import summarize
from edgekit.profiling.steps import Steps


def time_file(device: Device, model: ModelProfile, options: ProfileOptions, steps: Steps) -> ModelProfile:
    """The profile of a file with its ``timing``. Raises as ``Device.run``."""
    path = Path(model.file)
    sampling = (options.threads, options.runs, options.seconds)
    job = Job("measure", model.runtime, path, *sampling, pin=options.pin, shapes=options.shape)
    measured = run_job(device, job, steps.next(path.name))
    asked = {"operators": replace(job, task="operators")}
    if path.suffix.lower() == ".tflite":
        asked["arena"] = replace(job, task="arena", runtime="tflm")
    parts: dict[str, dict[str, Any]] = {}
    for part, further in asked.items():
        try:
            answer = run_job(device, further, steps.next(path.name))
        except RuntimeCrashError as exc:  # costs this part of the profile only
            answer = {"unavailable": str(exc)}
        if "unavailable" in answer:
            model = model.lacks(part, answer["unavailable"])
        else:
            parts[part] = answer
    samples = measured["samples_ns"]
    latency = summarize(samples)
    timing = Timing(
        provenance=device.provenance,
        threads=options.threads,
        load=LoadTime(measured["load_ns"], measured["warm_load_ns"], measured["load_from_disk"]),
        first_ns=measured["first_ns"],
        warmup_runs=measured["warmup_runs"],
        latency=latency,
        memory=Memory(measured["peak_bytes"], measured["baseline_bytes"]),
        operators=OperatorProfile.from_dict(parts["operators"]) if "operators" in parts else None,
        arena=Arena(**parts["arena"]) if "arena" in parts else None,
        warnings=tuple(find_noise(samples, latency, measured, options.threads)),
        machine={**measured["machine"], "clock_mhz_after": measured["clock_mhz_after"]},
        versions=measured["versions"],
        samples_ns=tuple(samples),
    )
    return replace(model, runtime_version=measured["versions"][model.runtime], timing=timing)
