"""Devices by name: what each can do, and one job of the profiling worker run over there.

A device is a card (``edgekit.devices.cards``) that names its driver, or an address ``DRIVER://...`` that needs no card.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Flag, auto
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

from edgekit.devices.cards import DRIVERS, DeviceCard, card_paths, device_card
from edgekit.devices.latency.predict import latency_tables
from edgekit.errors import UnknownNameError, UsageError
from edgekit.result import Result

TASKS = ("measure", "operators", "arena", "turns", "count", "count-operators", "outputs")

Watch = Callable[[float], None]
"""Is told the share of a job that is done, now and then."""


@dataclass(frozen=True)
class Job:
    """One task for one process of ``edgekit.runtimes.worker``, whose docstring describes tasks and answers.

    ``runs`` and ``seconds`` are minima of the sampling; ``limit_s`` is the time after which the process is ended.
    ``pin`` says which cores the process keeps to: auto, off, or their numbers as in "2,3". ``others`` are further files
    for the same process, each with its runtime. ``shapes`` are sizes, by the input's name, where files leave them open.
    ``images`` is a .npy file of inputs for the task ``outputs``; ``source`` the file that ``model`` was compiled from.
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
    source: Path | None = None

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise UnknownNameError("task", self.task, TASKS)

    @property
    def named(self) -> Path:
        """The file that was named to EdgeKit, as messages do."""
        return self.source or self.model


class Can(Flag):
    """What a device can do."""

    TIME = auto()
    """Runs are timed there: the tasks measure, operators and arena."""
    TURN = auto()
    """Files take turns there."""
    COUNT = auto()
    """Instructions are counted there: the tasks count and count-operators."""
    ANSWER = auto()
    """Outputs come back: the task outputs."""
    PREDICT = auto()
    """Latency is predicted from its card."""
    CALIBRATE = auto()
    """Many small networks are measured there within minutes."""
    HERE = auto()
    """Its outputs are those of a session of this process."""
    ASIDE = auto()
    """It takes none of this machine's time, so that others can work meanwhile."""


class Device(ABC):
    """A device by its card. A driver is a subclass; opening one reaches nothing yet, which is left to the first job.

    ``provenance`` says what the figures of a run there are: measured, emulated or predicted. ``abilities`` are those of
    the driver's devices, ``can`` those of this one. ``takes_address``: the driver's name is also a scheme of addresses.
    """

    provenance: ClassVar[str] = "measured"
    abilities: ClassVar[Can]
    takes_address: ClassVar[bool] = False

    def __init__(self, card: DeviceCard) -> None:
        self.card = card
        self.name = card.name
        self.can = self.abilities

    @property
    def figures(self) -> tuple[str, ...]:
        """What its figures are: measured, emulated, predicted."""
        ran = (self.provenance,) if self.can & (Can.TIME | Can.COUNT) else ()
        return (*ran, "predicted") if Can.PREDICT in self.can and latency_tables(self.card) else ran

    @property
    def processor(self) -> str:
        """What code is compiled for to run there: a processor, its system's word or wasm; empty for this machine's."""
        return ""

    @abstractmethod
    def run(self, job: Job, watch: Watch) -> dict[str, Any]:
        """The worker's result for one job.

        Raises:
            ModelError: the runtime refuses the file.
            RuntimeCrashError: the process crashed, hung or ran out of memory.
            UsageError: the runtime is not installed there, or it does not do such a task.
            DeviceError: it cannot be reached, or the connection was lost.
        """

    def set_up(self) -> Result:
        """Make what it needs, once.

        Raises:
            UsageError: it needs nothing, or a program is missing here.
            EdgekitError: something cannot be fetched or made.
        """
        raise UsageError(f"{self.name} needs no setup; name a board of 'edgekit list devices', or ssh://user@host.")

    def forget(self, file: Path) -> None:  # noqa: B027 - most keep nothing
        """Remove there what jobs have brought of a file that no other will name."""

    def close(self) -> None:  # noqa: B027 - most leave nothing
        """Leave nothing there. Closing twice does no harm."""


def find_driver(name: str) -> type[Device]:
    """The class of the devices of a driver.

    Raises:
        UnknownNameError: there is none of that name.
    """
    if name not in DRIVERS:
        raise UnknownNameError("driver", name, DRIVERS)
    driver: type[Device] = import_module(f"edgekit.devices.drivers.{name}").DRIVER
    return driver


def open_device(name: str) -> Device:
    """The device that ``--device`` names.

    Raises:
        UnknownNameError: no device has that name.
        UsageError: it is no address that its driver takes.
    """
    scheme, is_address, _ = name.partition("://")
    if not is_address:
        card = device_card(name)
        return find_driver(card.driver)(card)
    if not find_driver(scheme).takes_address:
        raise UnknownNameError("device", name, card_paths())
    return find_driver(scheme)(DeviceCard(name, "", scheme))
