"""What a page is to measure: a model's bytes, what its tensors are, and an input with the output it has here."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edgekit.artifact import Array, TensorSpec
from edgekit.devices.device import Job
from edgekit.errors import ModelError, UsageError
from edgekit.graph.isolated import model_bytes
from edgekit.modelfiles.session import FileSession
from edgekit.runtimes.runtime import random_tensor
from edgekit.web.page_files import COMPILED, RUNTIMES

DTYPES = ("float32", "int8", "uint8")
WARMUP_RUNS = 20
REFERENCE = "litert-reference"
"""Answers here with the integers of a compiled model."""


@dataclass(frozen=True)
class PageJob:
    """``document`` is the page's job.json; ``files`` go beside it; ``output`` is what this machine gives, flat."""

    document: Mapping[str, Any]
    files: Mapping[str, bytes]
    output: Array


def page_job(job: Job) -> PageJob:
    """Prepare a job of the task ``measure`` for a page.

    Raises:
        UsageError: the job wants threads, cores or a runtime that a page does not have.
        ModelError: the file has not one input and one output, or one of a type that pages do not take.
        RuntimeCrashError: the runtime did not survive the file here.
    """
    if job.threads != 1:
        raise UsageError(f"--threads {job.threads}: a page runs a model on one thread; leave the option out.")
    if job.pin not in ("auto", "off"):
        raise UsageError(f"--pin {job.pin}: a page cannot choose its cores; leave the option out.")
    if job.shapes:
        raise UsageError("--shape: a page takes sizes as the file has them; export it with --shape.")
    if job.runtime not in (*RUNTIMES, COMPILED):
        known = f"{', '.join(RUNTIMES)} or {COMPILED}"
        raise UsageError(f"--runtime {job.runtime} does not run in a browser; use {known}.")
    with FileSession(job.named, REFERENCE if job.runtime == COMPILED else job.runtime, threads=1) as session:
        taken = _only(session.inputs, "input", job)
        values = random_tensor(tuple(max(1, size) for size in taken.shape), np.dtype(taken.dtype))
        tensors = {"input": taken, "output": _only(session.outputs, "output", job)}
        (output,) = session.run([values])
    name = f"model{job.model.suffix}"
    document = {
        "model": name,
        "description": {"runtime": job.runtime, **{key: _described(spec) for key, spec in tensors.items()}},
        "runs": job.runs,
        "seconds": job.seconds,
        "warmup": WARMUP_RUNS,
        "input": base64.b64encode(values.tobytes()).decode(),
    }
    return PageJob(document, {name: model_bytes(job.model)}, output.reshape(-1))


def _only(specs: tuple[TensorSpec, ...], role: str, job: Job) -> TensorSpec:
    if len(specs) != 1 or specs[0].dtype not in DTYPES:
        found = ", ".join(f"{spec.name} ({spec.dtype})" for spec in specs)
        raise ModelError(
            f"{job.named} has the {role}s {found}, and a page takes one {role} of "
            f"{', '.join(DTYPES)}; use --device cpu."
        )
    return specs[0]


def _described(spec: TensorSpec) -> dict[str, Any]:
    return {**asdict(spec), "shape": [max(1, size) for size in spec.shape]}
