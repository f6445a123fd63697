"""The verb ``profile`` on several devices: those elsewhere side by side, those that take this machine's time in turn.

A device that fails costs its own figures only. Each line of the common table says what its figure is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from edgekit.console import Bar, Display, print_table, progress, warn
from edgekit.devices.cards import is_board
from edgekit.devices.device import Device, open_device
from edgekit.devices.ssh.address import SCHEME
from edgekit.errors import DeviceError, EdgekitError, UsageError
from edgekit.files import short_names
from edgekit.profiling import board
from edgekit.profiling import show as tables
from edgekit.profiling.board import BoardResult
from edgekit.profiling.profile import ProfileOptions, ProfileResult, profile_on

SHARE = 1000
"""Steps of the common progress display for each device."""


@dataclass(frozen=True)
class DeviceOutcome:
    """What one device gave: a ``result``, or the ``error`` that it failed with."""

    device: str
    result: ProfileResult | BoardResult | None = None
    error: str = ""


@dataclass(frozen=True)
class SeveralResult:
    """The outcomes in the order in which the devices were named."""

    outcomes: tuple[DeviceOutcome, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "devices": [
                one.result.to_dict() if one.result else {"device": one.device, "error": one.error}
                for one in self.outcomes
            ]
        }

    def require_all(self) -> None:
        """Raise if a device failed.

        Raises:
            DeviceError: says which.
        """
        failed = [one.device for one in self.outcomes if one.result is None]
        if failed:
            raise DeviceError(
                f"{len(failed)} of {len(self.outcomes)} devices gave no figures: {', '.join(failed)}; "
                "see the warnings, and profile them again."
            )


def profile_several(models: Sequence[str], options: ProfileOptions, names: Sequence[str]) -> SeveralResult:
    """Profile the same models on each device; ``options.device`` is not looked at.

    Raises:
        UsageError: a device is named twice, or has a name that is none.
    """
    opened = {name: open_device(name) for name in names if not is_board(name)}
    titles = [opened[name].name if name in opened else name for name in names]  # an address may be written in two ways
    if twice := [title for title in titles if titles.count(title) > 1]:
        raise UsageError(f"--device {twice[0]} is named twice; name each device once.")
    devices = tuple(opened.values())
    with progress("profiling", max(1, len(devices)) * SHARE) as bar:
        work = partial(_outcome, models=models, options=options, bar=_SharedBar(bar))
        outcomes = _side_by_side([device for device in devices if _is_elsewhere(device)], work)
        for device in devices:
            if not _is_elsewhere(device):
                with closing(device):
                    outcomes[device.name] = work(device)
    outcomes |= {name: _board_outcome(name, models, options) for name in names if is_board(name)}
    return SeveralResult(tuple(outcomes[title] for title in titles))


def show(result: SeveralResult) -> None:
    """Print each device's tables, then one line per device and file."""
    for outcome in result.outcomes:
        if outcome.result is None:
            warn(f"{outcome.device}: {outcome.error}")
        elif isinstance(outcome.result, BoardResult):
            board.show(outcome.result)
        else:
            tables.show(outcome.result)
    rows = [(one.device, *row) for one in result.outcomes if one.result is not None for row in _rows(one.result)]
    if rows:
        print_table("Side by side", ("device", "file", "threads", "latency", "which is"), rows)


def _rows(result: ProfileResult | BoardResult) -> list[tuple[str, str, str, str]]:
    if isinstance(result, BoardResult):
        names = short_names(file.file for file in result.predicted)
        return [
            (names[file.file], str(prediction.table.threads), str(prediction), "predicted")
            for file in result.predicted
            for prediction in file.predictions
        ]
    names = short_names(model.file for model in result.models)
    return [
        (names[model.file], str(model.threads), tables.duration(model.latency.p50_ns), f"{result.provenance}, p50")
        for model in result.models
    ]


def _is_elsewhere(device: Device) -> bool:
    return device.name.startswith(SCHEME)


def _side_by_side(devices: Sequence[Device], work: Callable[[Device], DeviceOutcome]) -> dict[str, DeviceOutcome]:
    """Work on all devices at once, then close them. Ctrl-C closes them first, which ends the work."""
    with ThreadPoolExecutor(max(1, len(devices)), "device") as pool, ExitStack() as opened:
        for device in devices:
            opened.enter_context(closing(device))
        futures = {device.name: pool.submit(work, device) for device in devices}
        return {name: future.result() for name, future in futures.items()}


def _outcome(device: Device, models: Sequence[str], options: ProfileOptions, bar: _SharedBar) -> DeviceOutcome:
    try:
        wanted = replace(options, device=device.name)
        return DeviceOutcome(device.name, profile_on(device, models, wanted, bar.part_of(device.name)))
    except EdgekitError as exc:
        return DeviceOutcome(device.name, error=str(exc))


def _board_outcome(name: str, models: Sequence[str], options: ProfileOptions) -> DeviceOutcome:
    try:
        return DeviceOutcome(name, board.profile_board(models, name, options.runtime))
    except EdgekitError as exc:
        return DeviceOutcome(name, error=str(exc))


class _SharedBar:
    """One progress display for several devices: each fills a share of it."""

    def __init__(self, bar: Bar) -> None:
        self._bar, self._turn = bar, threading.Lock()
        self._done: dict[str, int] = {}

    def part_of(self, device: str) -> Display:
        """What shows the progress of one device, in place of ``progress``."""

        @contextmanager
        def display(label: str, total: int) -> Iterator[Bar]:
            yield _Part(self, device, total)

        return display

    def update(self, device: str, done: int, note: str) -> None:
        """``done`` of the device's SHARE steps are done."""
        with self._turn:
            self._done[device] = done
            self._bar.update(sum(self._done.values()), f"{note} on {device}")


@dataclass(frozen=True)
class _Part:
    bar: _SharedBar
    device: str
    total: int

    def update(self, done: int, note: str = "") -> None:
        """See ``Bar.update``."""
        self.bar.update(self.device, done * SHARE // self.total, note)
