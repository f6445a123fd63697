"""An emulated board: each job is a worker in the board's own Python under QEMU, on the real aarch64 runtimes.

Results are those of the board's processor; times are not, so no task that measures time runs here.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgekit.devices.cards import DeviceCard
from edgekit.devices.device import Job, Watch
from edgekit.devices.emulated.setup import Installation, installation, require_emulator
from edgekit.devices.local import run_worker
from edgekit.errors import UsageError

TASKS = ("count", "count-operators", "outputs")
SLOWER = 20
"""How many times slower than on this machine a job may be before it is ended."""


def open_driver(card: DeviceCard) -> EmulatedDevice:
    """The driver for a card.

    Raises:
        UsageError: the board is not set up, or this machine cannot emulate it.
    """
    return EmulatedDevice(card, installation(card))


class EmulatedDevice:
    """A board that was set up."""

    provenance = "emulated"

    def __init__(self, card: DeviceCard, found: Installation) -> None:
        self.name = card.name
        self.card = card
        self.cpu = require_emulator(card).cpu
        self._found = found

    def run(self, job: Job, watch: Watch) -> dict[str, Any]:
        """Run one job, in one thread. See ``Device.run``.

        The answers of the counting tasks get ``log``: the plugin's lines, each a kind and its counters.

        Raises:
            UsageError: the job is to measure time.
        """
        if job.task not in TASKS:
            raise UsageError(f"--device {self.name} is emulated and has no times; measure on a device, or over ssh://.")
        job = replace(job, threads=1, pin="off", limit_s=job.limit_s * SLOWER)
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder) / "counts.log"
            counting = job.task != "outputs"
            command = self._found.command(self.cpu, log if counting else None)
            result = run_worker(job, watch, command, environment=self._found.environment)
            if counting:
                result["log"] = [_entry(line) for line in log.read_text().splitlines()]
        return result

    def close(self) -> None:
        """Each job has removed its own folder."""


def _entry(line: str) -> tuple[str, tuple[int, ...]]:
    kind, *counters = line.split()
    return kind, tuple(map(int, counters))
