"""What the runtime ``c`` opens in a .tflite file's place: the model's C program as a shared library."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from edgekit.conversion.c import untested_program
from edgekit.conversion.c.build import TARGETS, Target, build
from edgekit.devices.device import Device, Job, Watch
from edgekit.errors import UsageError
from edgekit.files import require_file, sha256_file
from edgekit.modelfiles.session import FileSession
from edgekit.runtimes.runtime import Shapes

RUNTIME = "c"
PAGE = "wasm"
"""What a page calls its processor, and ``build`` the module for it."""
KEPT = 8
"""So many libraries are kept in memory: several jobs ask for the same."""
NO_MALLOC = "-D__MM_MALLOC_H"
"""Leaves out a header of intrinsics that wants a C library's."""
MACHINES = {
    "aarch64": ("aarch64-linux-gnu", "-mcpu=generic"),
    "aarch64 asimddp": ("aarch64-linux-gnu", "-mcpu=generic+dotprod"),
    "armv7l": ("arm-linux-gnueabihf", "-mcpu=cortex_a7"),
    "armv6l": ("arm-linux-gnueabihf", "-mcpu=arm1176jzf_s"),
    "x86_64": ("x86_64-linux-gnu", "-mcpu=x86_64", NO_MALLOC),
    "x86_64 avx2": ("x86_64-linux-gnu", "-mcpu=haswell", NO_MALLOC),
    "x86_64 avx512_vnni": ("x86_64-linux-gnu", "-mcpu=cascadelake", NO_MALLOC),
}
"""What zig is told of a machine, by what its system calls it and the feature that it is fastest by."""


@contextmanager
def opened_by(runtime: str | None, model: Path, processor: str = "") -> Iterator[Path]:
    """The file that a runtime opens for a model, there while the block runs: the model itself, or a library for C.

    ``processor`` is where, as ``Device.processor`` says it.

    Raises:
        ModelError, UnsupportedError, RuntimeCrashError: as ``c_program``.
        UsageError, EdgekitError: there is no compiler for that processor, or it fails.
    """
    if runtime != RUNTIME or model.suffix.lower() != ".tflite":  # which no session opens
        yield model
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{model.stem}{Path(target_of(processor).file).suffix}"
        path.write_bytes(_library(model, sha256_file(require_file(model)), processor))
        yield path


def open_session(
    path: Path, runtime: str | None = None, threads: int | None = None, shapes: Shapes | None = None
) -> FileSession:
    """A file open in a worker here, compiled first for C. Raises as ``FileSession`` and ``opened_by``."""
    with opened_by(runtime, path) as opened:
        return FileSession(path, runtime, threads, shapes=shapes, opened=opened)


def run_job(device: Device, job: Job, watch: Watch) -> dict[str, Any]:
    """A device's answer to a job whose models in C are compiled for it. Raises as ``Device.run`` and ``opened_by``."""
    with ExitStack() as stack:

        def opened(runtime: str, model: Path) -> Path:
            path = model if runtime != RUNTIME else stack.enter_context(opened_by(runtime, model, device.processor))
            if path != model:
                stack.callback(device.forget, path)
            return path

        others = tuple((runtime, opened(runtime, model)) for runtime, model in job.others)
        model = opened(job.runtime, job.model)
        source = job.model if model != job.model else None
        return device.run(replace(job, model=model, others=others, source=source), watch)


@lru_cache(KEPT)
def _library(model: Path, sha256: str, processor: str) -> bytes:
    """The library of a model file with that content."""
    with tempfile.TemporaryDirectory() as folder:
        return build(untested_program(model, "model"), target_of(processor), Path(folder)).path.read_bytes()


def target_of(processor: str) -> Target:
    """The library, or for a page the module, for a processor, as ``Device.processor`` says it.

    Raises:
        UsageError: it is none of MACHINES.
    """
    if not processor:
        return Target("model.so", "library", flags=("-O3", "-march=native"))
    if processor == PAGE:
        return TARGETS[PAGE]
    if processor.startswith("cortex-"):
        triple, *flags = "aarch64-linux-gnu", f"-mcpu={processor.replace('-', '_')}"
    elif machine := next((name for name in (processor, processor.partition(" ")[0]) if name in MACHINES), ""):
        # A 32-bit system says of a 64-bit processor what it has, which its programs do not use.
        triple, *flags = MACHINES[machine]
    else:
        raise UsageError(f"--runtime {RUNTIME} knows no processor {processor}; it compiles for {', '.join(MACHINES)}.")
    # What it calls of a C library is in the process that loads it, of whatever kind.
    return Target("model.so", "library", triple, ("-O3", *flags, "-nostdlib"))
