"""This machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgekit.devices.cards import DeviceCard
from edgekit.devices.device import Can, Device, Job, Watch
from edgekit.devices.process import WORKER, run_worker
from edgekit.modelfiles.runtime_choice import runtime_python

CPU = DeviceCard("cpu", "this machine", "local")


class LocalDevice(Device):
    """Runs each job in a Python interpreter that has its runtime."""

    abilities = Can.TIME | Can.TURN | Can.ANSWER | Can.CALIBRATE | Can.HERE

    def __init__(self, card: DeviceCard = CPU, worker: Path = WORKER) -> None:
        super().__init__(card)
        self._worker = worker

    def run(self, job: Job, watch: Watch) -> dict[str, Any]:
        """Run one job. See ``Device.run``."""
        return run_worker(job, watch, (runtime_python(job.runtime),), self._worker)


DRIVER = LocalDevice
