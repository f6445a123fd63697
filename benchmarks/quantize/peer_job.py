"""What a peer is asked to do, read inside its own environment. Needs NumPy alone."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

TIMES = "work.json"


@dataclass(frozen=True)
class Job:
    """Quantize ``model`` by ``method`` into ``out``, calibrated on the first ``images`` rows of a .npy file.

    ``onnx`` is the float file, ``model`` the name of its network; the real input is ``(pixel / 255 - mean) / std``.
    """

    method: str
    model: str
    onnx: str
    calibration: str
    images: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    out: str

    def inputs(self) -> Iterator[NDArray[np.float32]]:
        """float32 [1, C, H, W], one image after the other.

        Each is read from the file by itself, so that a peer's memory is the peer's own doing.
        """
        mean, std = np.array(self.mean, np.float32), np.array(self.std, np.float32)
        with Path(self.calibration).open("rb") as stream:
            version = np.lib.format.read_magic(stream)
            assert version == (1, 0)
            (rows, *shape), _, dtype = np.lib.format.read_array_header_1_0(stream)
            assert dtype == np.uint8
            for _ in range(min(rows, self.images)):
                pixels = np.frombuffer(stream.read(int(np.prod(shape))), np.uint8).reshape(1, *shape)
                real = (pixels.astype(np.float32) / np.float32(255) - mean) / std
                yield np.ascontiguousarray(real.transpose(0, 3, 1, 2))


def run_job(methods: dict[str, Callable[[Job], Any]]) -> None:
    """Do the job whose JSON is the command line's argument; the seconds of the work itself go to TIMES."""
    job = Job(**json.loads(sys.argv[1]))
    started = time.perf_counter()
    methods[job.method](job)
    seconds = time.perf_counter() - started
    (Path(job.out) / TIMES).write_text(json.dumps({"seconds": seconds}))
