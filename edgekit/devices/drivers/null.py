"""A device that runs nothing and answers at once, always the same: for tests of everything above the drivers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgekit.devices.cards import DeviceCard
from edgekit.devices.device import Can, Device, Job, Watch

MACHINE = {
    "cpu": "none",
    "architecture": "none",
    "features": [],
    "cores": 4,
    "usable_cores": 4,
    "cores_kept_to": [3],
    "governor": "performance",
    "clock_mhz": 1000.0,
    "load_average": 0.0,
    "memory_bytes": 1 << 30,
    "temperature_c": 40.0,
    "temperature_c_after": 41.0,
    "throttled": [],
    "throttled_earlier": [],
    "system": "none",
    "python": "none",
}
ANSWERS: Mapping[str, dict[str, Any]] = {
    "measure": {
        "versions": {"ort": "0", "litert": "0", "numpy": "0", "python": "0"},
        "machine": MACHINE,
        "load_ns": 2_000_000,
        "warm_load_ns": 1_000_000.0,
        "load_from_disk": True,
        "first_ns": 1_500_000,
        "warmup_runs": 3,
        "samples_ns": [1_000_000 + step * 7_919 % 1_000 for step in range(100)],
        "peak_bytes": 42_000_000,
        "baseline_bytes": 40_000_000,
        "clock_mhz_after": 1000.0,
        "involuntary_switches": 0,
        "stolen_share": 0.0,
    },
    "operators": {
        "operators": [{"name": "a", "type": "Conv", "mean_ns": 900_000.0}],
        "total_ns": 950_000.0,
        "profiled_ns": 950_000.0,
        "runs": 10,
    },
    "turns": {"episodes": [[[1e6] * 4, [1.1e6] * 4]] * 12},
    "arena": {"arena_bytes": 1024, "head_bytes": 768, "tail_bytes": 256, "version": "0"},
}
NOTHING = DeviceCard("null", "nothing", "null")


class NullDevice(Device):
    """Gives ANSWERS, or ``answers`` where they have the task."""

    provenance = "predicted"
    abilities = Can.TIME

    def __init__(self, card: DeviceCard = NOTHING, answers: Mapping[str, dict[str, Any]] | None = None) -> None:
        super().__init__(card)
        self._answers = {**ANSWERS, **(answers or {})}
        self.jobs: list[Job] = []

    def run(self, job: Job, watch: Watch) -> dict[str, Any]:
        """The stored answer."""
        self.jobs.append(job)
        watch(1.0)
        return self._answers[job.task]


DRIVER = NullDevice
