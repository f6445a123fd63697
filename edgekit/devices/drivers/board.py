"""A board that is not here: each job is a worker in its own Python under QEMU, on the real aarch64 runtimes.

Results are those of the board's processor; times are not, so no task that measures time runs here.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from edgekit.devices.cards import DeviceCard
from edgekit.devices.device import Can, Device, Job, Watch
from edgekit.devices.emulated.setup import BoardSetup, Installation, installation, require_emulator, set_up
from edgekit.devices.process import run_worker
from edgekit.errors import UsageError

SLOWER = 20
"""How many times slower than on this machine a job may be before it is ended."""


class Board(Device):
    """A board of the catalog. What its emulator needs is looked for at the first job."""

    provenance = "emulated"
    abilities = Can.COUNT | Can.ANSWER | Can.PREDICT

    def __init__(self, card: DeviceCard) -> None:
        super().__init__(card)
        if card.emulator is None:
            self.can = Can.PREDICT

    @property
    def processor(self) -> str:
        """The emulated one."""
        return require_emulator(self.card).cpu

    def run(self, job: Job, watch: Watch) -> dict[str, Any]:
        """Run one job, in one thread. See ``Device.run``.

        The answers of the counting tasks get ``log``: the plugin's lines, each a kind and its counters.

        Raises:
            UsageError: the job is to measure time, or the board is not set up here.
        """
        if job.task in ("measure", "operators", "arena", "turns"):
            raise UsageError(f"--device {self.name} is emulated and has no times; measure on a device, or over ssh://.")
        found = self._installation
        job = replace(job, threads=1, pin="off", limit_s=job.limit_s * SLOWER)
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder) / "counts.log"
            counting = job.task != "outputs"
            command = found.command(require_emulator(self.card).cpu, log if counting else None)
            result = run_worker(job, watch, command, environment=found.environment)
            if counting:
                result["log"] = [_entry(line) for line in log.read_text().splitlines()]
        return result

    def set_up(self) -> BoardSetup:
        """Make what is missing of the emulator."""
        return set_up(self.card)

    @cached_property
    def _installation(self) -> Installation:
        return installation(self.card)


def _entry(line: str) -> tuple[str, tuple[int, ...]]:
    kind, *counters = line.split()
    return kind, tuple(map(int, counters))


DRIVER = Board
