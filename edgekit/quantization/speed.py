"""Which of a quantization's files is the fastest here: in small networks it is not always one of integers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.console import duration
from edgekit.errors import ModelError, RuntimeCrashError
from edgekit.modelfiles.runtime_choice import default_runtime
from edgekit.modelfiles.times import Timed, times_in_turns

if TYPE_CHECKING:
    from edgekit.runtimes.runtime import Shapes


@dataclass(frozen=True)
class Speed:
    """Nanoseconds of an inference of the float file and of the written ones, on one thread of this machine."""

    original_ns: float
    onnx_ns: float
    tflite_ns: float

    @classmethod
    def of(cls, original: Path, written: Sequence[Path], shapes: Shapes | None = None) -> Speed | None:
        """Measured for a part of a second; None if the float file, which was perhaps never run, cannot be."""
        files = [Timed("ort", original, shapes or {}), *(Timed(default_runtime(file), file) for file in written)]
        try:
            return cls(*times_in_turns(files))
        except (ModelError, RuntimeCrashError):
            return None

    def text(self, names: Sequence[str]) -> str:
        """The files, named in the order of the fields, the fastest first."""
        times = (self.original_ns, self.onnx_ns, self.tflite_ns)
        first, *others = (f"{name} {duration(time)}" for time, name in sorted(zip(times, names, strict=True)))
        return f"{first}; {', '.join(others)}"
