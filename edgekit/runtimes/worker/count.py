"""Runs marked for an instruction counter that watches this process from outside (``edgekit.devices.emulated``).

The marks are getppid system calls, in pairs: the first pair encloses nothing, each later one a run.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from .measure import Emit, Request
from .onnx_profiler import ProfiledOnnx
from .refusal import Refusal, first_line
from .runtimes import import_runtime, open_model, runtime_version

WARMUP_RUNS = 2
COUNTED_RUNS = 3
MALLINFO = (
    *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
    *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
)


class _Mallinfo(ctypes.Structure):
    """``struct mallinfo2`` of malloc.h."""

    _fields_ = tuple((name, ctypes.c_size_t) for name in MALLINFO)


def count(request: Request, emit: Emit) -> dict[str, Any]:
    """Open the model, run it warm, then run it COUNTED_RUNS times between marks.

    ``heap_bytes`` is what the model took of the C library's heap, that of the runtime's import excluded: weights in the
    kernels' own order, the activations' arena and whatever else the runtime keeps; after opening and after running.

    Raises:
        Refusal: the runtime is missing, or refuses or fails to run the file.
    """
    name = request["runtime"]
    emit(phase="importing the runtime")
    module = import_runtime(name)
    before = heap_bytes()
    emit(phase="loading the file")
    run = open_model(name, module, request["model"], 1)
    opened = heap_bytes()
    emit(phase="running it for the first time")
    for _ in range(WARMUP_RUNS):
        _run(run)
    emit(phase="running it")
    mark_runs(run)
    return {
        "versions": {name: runtime_version(name), "numpy": np.__version__},
        "heap_bytes": None if before is None else max(opened, heap_bytes()) - before,
    }


def count_operators(request: Request, emit: Emit) -> dict[str, Any]:
    """Mark one warm run under the runtime's own profiler, which reads the clock where operators begin and end.

    ``operators``: [name, type, nanoseconds] of each, in order of execution; or ``unavailable`` says why there are none.
    """
    emit(phase="counting its operators")
    name, path = request["runtime"], request["model"]
    if name == "tflite-runtime":
        return {"unavailable": "tflite-runtime has no profiler that Python can reach"}
    module = import_runtime(name)
    try:
        runs = _mark_onnx(module, path) if name == "ort" else _mark_litert(path)
    except Exception as exc:  # whatever a profiler stumbles over, the counts of the whole stand without it
        return {"unavailable": first_line(exc)}
    return {"operators": runs[-1]}


def _mark_litert(path: str) -> list[Any]:
    from .litert_profiler import ProfiledModel

    with ProfiledModel(path, 1) as model:
        _mark_last(model.run)
        return model.events()


def _mark_onnx(onnxruntime: Any, path: str) -> list[Any]:
    with ProfiledOnnx(onnxruntime, path, 1) as model:
        _mark_last(model.run)
        return model.events()


def _mark_last(run: Callable[[], object]) -> None:
    for _ in range(WARMUP_RUNS):
        run()
    os.getppid()
    run()
    os.getppid()


def mark_runs(run: Callable[[], object]) -> None:
    """One pair of marks around nothing, then one around each run."""
    for task in (_nothing, *[run] * COUNTED_RUNS):
        os.getppid()
        task()
        os.getppid()


def heap_bytes() -> Any:
    """Bytes in use of the C library's heap (``man 3 mallinfo``); None where it is not glibc 2.33 or later."""
    try:
        mallinfo = ctypes.CDLL(None).mallinfo2
    except (AttributeError, OSError):
        return None
    mallinfo.restype = _Mallinfo
    info = mallinfo()
    return info.hblkhd + info.uordblks  # mappings of their own, and what is in use of arenas


def _nothing() -> None:
    pass


def _run(run: Callable[[], object]) -> None:
    try:
        run()
    except MemoryError:
        raise
    except Exception as exc:  # each runtime has its own tree of exceptions, some of them native
        raise Refusal("model", f"it does not run: {first_line(exc)}") from exc
