"""Runs marked for an instruction counter that watches this process from outside (``edgekit.devices.emulated``).

The marks are getppid system calls, in pairs: the first pair encloses nothing, each later one a run.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from typing import Any

from .. import RUNTIMES
from ..refusal import first_line
from ..runtime import refusing
from .measure import Emit, Request, import_runtime

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
    """Open the model, run it warm, then run it COUNTED_RUNS times between marks; then each of its ``others`` likewise.

    ``heap_bytes`` is what the model took of the C library's heap, that of the runtime's import excluded: weights in the
    kernels' own order, the activations' arena and whatever else the runtime keeps; after opening and after running.

    Raises:
        Refusal: the runtime is missing, or refuses or fails to run the file.
    """
    runtime, versions = import_runtime(request, emit)
    before = heap_bytes()
    run = runtime.start(request["model"], 1, request["shapes"])
    opened = heap_bytes()
    _warm_up(run, emit)
    for task in (lambda: None, *[run] * COUNTED_RUNS):
        _marked(task)
    used = None if before is None else max(opened, heap_bytes()) - before
    for name, path in request["others"]:
        run = RUNTIMES[name].start(path, 1, request["shapes"])
        _warm_up(run, emit)
        for _ in range(COUNTED_RUNS):
            _marked(run)
    return {"versions": versions, "heap_bytes": used}


def _warm_up(run: Callable[[], object], emit: Emit) -> None:
    emit(phase="running it")
    with refusing("it does not run: "):
        for _ in range(WARMUP_RUNS):
            run()


def count_operators(request: Request, emit: Emit) -> dict[str, Any]:
    """Mark one warm run under the runtime's own profiler, which reads the clock where operators begin and end.

    ``operators``: [name, type, nanoseconds] of each, in order of execution; or ``unavailable`` says why there are none.
    """
    emit(phase="counting its operators")
    try:
        with RUNTIMES[request["runtime"]].profiler(request["model"], 1, request["shapes"]) as profiler:
            for _ in range(WARMUP_RUNS):
                profiler.run()
            _marked(profiler.run)
            return {"operators": profiler.events()[-1]}
    except Exception as exc:  # whatever a profiler stumbles over, the counts of the whole stand without it
        return {"unavailable": first_line(exc)}


def _marked(run: Callable[[], object]) -> None:
    os.getppid()
    run()
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
