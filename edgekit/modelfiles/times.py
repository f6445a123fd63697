"""How long files, and parts of them, take on one thread of this machine: they take turns, as the profiler lets them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from edgekit.modelfiles.sandboxed import OpenFile
from edgekit.runtimes.runtime import Shapes, random_inputs
from edgekit.runtimes.worker.turns import WARM_UP_NS, rounds, turn
from edgekit.sandbox import Sandbox

SECONDS = 0.2
"""Of each file, if three inferences do not take longer."""


class Timed(NamedTuple):
    """A file by its path, or what is in it, with its runtime and sizes for inputs that it leaves open, by name."""

    runtime: str
    model: Path | bytes
    shapes: Shapes = MappingProxyType({})


def times_in_turns(files: Sequence[Timed]) -> list[float]:
    """The median nanoseconds of an inference of each file; at least one of them is given by its path.

    Raises:
        ModelError: a runtime refuses a file.
        RuntimeCrashError: the worker crashed or ran out of time or memory.
    """
    asked = []
    for runtime, model, shapes in files:
        what = np.frombuffer(model, np.uint8) if isinstance(model, bytes) else str(model)
        asked.append([runtime, what, {name: list(sizes) for name, sizes in shapes.items()}])
    with Sandbox(next(str(file.model) for file in files if isinstance(file.model, Path))) as sandbox:
        return [float(time) for time in sandbox.call(f"{__name__}:measured_times", files=asked)]


def measured_times(files: Sequence[tuple[str, Any, Shapes]]) -> list[float]:
    """What ``times_in_turns`` does inside its worker; a model is a path, or bytes as an array."""
    runs = []
    for runtime, model, shapes in files:
        opened = OpenFile(Path(model) if isinstance(model, str) else model.tobytes(), runtime, shapes=shapes)
        runs.append(opened.session.prepared(random_inputs(opened.session.inputs, opened.source)))
        turn(runs[-1], WARM_UP_NS)
    return [median(times) for times in rounds(runs, range(len(runs)), seconds=SECONDS)]
