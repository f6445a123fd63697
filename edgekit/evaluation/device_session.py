"""A model file that runs on a device: its answers are the device's, compared with this machine's as they come."""

from __future__ import annotations

import base64
import io
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgekit.artifact import Array
from edgekit.conversion.c.library import opened_by, run_job
from edgekit.devices.device import Device, Job
from edgekit.errors import ModelError
from edgekit.modelfiles.session import FileSession
from edgekit.runtimes.runtime import Shapes

LIMIT_S = 3600


class DeviceSession(FileSession):
    """A session whose ``run_rows`` runs on ``device``.

    The file is open here too, so what its tensors are is known, and each answer is compared: ``compared`` rows so far,
    of which ``differing`` have another output than here, by at most ``difference`` in units as stored.

    Raises:
        ModelError, RuntimeCrashError, UsageError: as ``FileSession``, and as ``Device.run``.
    """

    def __init__(
        self, path: Path, runtime: str | None, threads: int | None, device: Device, shapes: Shapes | None = None
    ) -> None:
        with opened_by(runtime, path) as opened:
            super().__init__(path, runtime, threads, shapes=shapes, opened=opened)
        self.device, self.shapes = device, shapes or {}
        self.compared, self.differing, self.difference = 0, 0, 0.0

    def run_rows(self, batches: Sequence[Array]) -> list[Array]:
        """One inference per row of ``batches`` on the device; each output stacked to [N, ...].

        Raises:
            ModelError: the model takes several inputs, or none with a batch.
        """
        here = super().run_rows(batches)
        if len(batches) != 1 or batches[0].ndim != len(self.inputs[0].shape):
            raise ModelError(f"{self.path} takes several inputs, or one without a batch; evaluate it on this machine.")
        (batch,) = batches
        with tempfile.TemporaryDirectory() as folder:
            images = Path(folder) / "images.npy"
            np.save(images, batch, allow_pickle=False)
            job = Job("outputs", self.runtime, self.path, images=images, limit_s=LIMIT_S, shapes=self.shapes)
            answer = run_job(self.device, job, lambda share: None)
        self.version = answer["versions"][self.runtime]
        there = [np.load(io.BytesIO(base64.b64decode(text)), allow_pickle=False) for text in answer["outputs"]]
        self._compare(here, there, len(batch))
        return there

    def _compare(self, here: list[Array], there: list[Array], rows: int) -> None:
        same = np.ones(rows, bool)
        for ours, theirs in zip(here, there, strict=True):
            same &= (ours.reshape(rows, -1) == theirs.reshape(rows, -1)).all(axis=1)
            difference = np.abs(ours.astype(np.float64) - theirs.astype(np.float64))
            self.difference = max(self.difference, float(difference.max(initial=0.0)))
        self.compared += rows
        self.differing += int((~same).sum())
