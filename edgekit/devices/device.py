"""Devices by name, and what every driver does: run one job of the profiling worker over there.

A device is a card (``edgekit.devices.cards``) that names its driver, a module of this package with a function
``open_driver(card) -> Device``; or it is an address ``ssh://user@host``, which needs no card.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from edgekit.devices.cards import DRIVERS, DeviceCard, device_card
from edgekit.errors import UnknownNameError

__all__ = ["TASKS", "Device", "DeviceCard", "Job", "Watch", "device_card", "open_device"]

TASKS = ("measure", "operators", "arena", "turns")
EMULATED_TASKS = ("count", "count-operators", "outputs")
"""Tasks beside those of a profile of this machine."""

Watch = Callable[[float], None]
"""Is told the share of a job that is done, now and then."""


@dataclass(frozen=True)
class Job:
    """One task for one process of ``edgekit.runtimes.worker``, whose docstring describes tasks and answers.

    ``runs`` and ``seconds`` are minima of the sampling; ``limit_s`` is the time after which the process is ended.
    ``pin`` says which cores the process keeps to: auto, off, or their numbers as in "2,3". ``others`` are further files
    for the same process, each with its runtime. ``shapes`` are sizes, by the input's name, where files leave them open.
    ``images`` is a .npy file of inputs for the task ``outputs``.
    """

    task: str
    runtime: str
    model: Path
    threads: int = 1
    runs: int = 50
    seconds: float = 1.0
    limit_s: int = 600
    pin: str = "auto"
    others: tuple[tuple[str, Path], ...] = ()
    images: Path | None = None
    shapes: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.task not in TASKS + EMULATED_TASKS:
            raise UnknownNameError("task", self.task, TASKS + EMULATED_TASKS)


class Device(Protocol):
    """An opened device. ``provenance`` says what its figures are: measured, emulated or predicted."""

    name: str
    provenance: str

    def run(self, job: Job, watch: Watch) -> dict[str, Any]:
        """The worker's result for one job.

        Raises:
            ModelError: the runtime refuses the file.
            RuntimeCrashError: the process crashed, hung or ran out of memory.
            UsageError: the runtime is not installed there.
            DeviceError: it cannot be reached, or the connection was lost.
        """

    def close(self) -> None:
        """Leave nothing there. Closing twice does no harm."""


def open_device(name: str) -> Device:
    """Open the device that ``--device`` names.

    Raises:
        UsageError: what its driver needs is not installed here.
        UnknownNameError: no device has that name.
    """
    if name.startswith("ssh://"):
        from edgekit.devices.ssh.driver import open_address

        return open_address(name)
    card = device_card(name)
    device: Device = import_module(f"edgekit.devices.{DRIVERS[card.driver]}").open_driver(card)
    return device
