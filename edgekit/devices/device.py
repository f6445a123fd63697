"""Devices by name, and what every driver does: run one job of the profiling worker over there.

A device is a card ``devices/NAME.toml`` with a ``summary`` and the name of its ``driver``, a module of this package
with a function ``open_driver(card) -> Device``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from edgekit.catalog import catalog_folder, names, read_toml
from edgekit.errors import EdgekitError, UnknownNameError, UsageError
from edgekit.recipe import known_keys

DRIVERS = ("local", "null")
PLANNED = ("browser", "raspberry-pi-zero-2w", "raspberry-pi-3b-plus", "raspberry-pi-4b", "raspberry-pi-5")
TASKS = ("baseline", "measure", "operators", "arena")

Watch = Callable[[float], None]
"""Is told the share of a job that is done, now and then."""


@dataclass(frozen=True)
class DeviceCard:
    """A device of the catalog."""

    name: str
    summary: str
    driver: str

    def __post_init__(self) -> None:
        if self.driver not in DRIVERS:
            raise UnknownNameError(f"driver (devices/{self.name}.toml)", self.driver, DRIVERS)


@dataclass(frozen=True)
class Job:
    """One task for one process of ``edgekit.profile.worker``, whose docstring describes tasks and answers.

    ``runs`` and ``seconds`` are minima of the sampling; ``limit_s`` is the time after which the process is ended.
    """

    task: str
    runtime: str
    model: Path
    threads: int = 1
    runs: int = 50
    seconds: float = 1.0
    limit_s: int = 600

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise UnknownNameError("task", self.task, TASKS)


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
        """


def device_card(name: str) -> DeviceCard:
    """Read the card of a device.

    Raises:
        UnknownNameError: there is no such device, or its card has an unknown key or driver.
        EdgekitError: the card lacks a key.
    """
    if name not in names("devices"):
        raise UnknownNameError("device", name, names("devices"))
    path = catalog_folder("devices") / f"{name}.toml"
    try:
        return DeviceCard(**{**known_keys(DeviceCard, read_toml(path), str(path)), "name": name})
    except TypeError as exc:
        raise EdgekitError(f"{path} lacks a key ({exc}); compare with its neighbours.") from exc


def open_device(name: str) -> Device:
    """Open the device that ``--device`` names.

    Raises:
        UsageError: this version has no driver for it.
        UnknownNameError: no device has that name.
    """
    if name.startswith("ssh://") or (name in PLANNED and name not in names("devices")):
        raise UsageError(
            f"--device {name}: this version cannot measure there yet; it has {', '.join(names('devices'))}."
        )
    card = device_card(name)
    device: Device = import_module(f"edgekit.devices.{card.driver}").open_driver(card)
    return device
