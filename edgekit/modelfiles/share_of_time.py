"""What a part of a .tflite file costs: its share of the time of the whole, in LiteRT on one thread of this machine."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.modelfiles.sandboxed import OpenFile
from edgekit.runtimes.runtime import random_inputs
from edgekit.sandbox import Sandbox

SECONDS = 0.5
FEWEST, MOST = 3, 300
"""Inferences of each."""


def share_of_time(part: bytes, whole: Path) -> float:
    """The time of a .tflite file's part, a file itself, by that of the whole: at most 1. Both take turns.

    Raises:
        ModelError: LiteRT refuses one of them.
        RuntimeCrashError: the worker crashed or ran out of time or memory.
    """
    with Sandbox(str(whole)) as sandbox:
        return float(sandbox.call(f"{__name__}:measured_share", part=np.frombuffer(part, np.uint8), path=str(whole)))


def measured_share(part: NDArray[np.uint8], path: str) -> float:
    """What ``share_of_time`` does inside its worker."""
    calls = []
    for model in (part.tobytes(), Path(path)):
        session: Any = OpenFile(model, "litert").session
        calls.append(session.prepared(random_inputs(session.inputs, path)))
    times: list[list[float]] = [[], []]
    end = perf_counter() + SECONDS
    while len(times[0]) < FEWEST or (perf_counter() < end and len(times[0]) < MOST):
        for call, kept in zip(calls, times, strict=True):
            start = perf_counter()
            call()
            kept.append(perf_counter() - start)
    small, large = map(median, times)
    return min(small / large, 1.0)
