"""What a candidate costs, and whether a device has it: known from its untrained int8 file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from statistics import median_low

from edgekit.console import duration
from edgekit.devices.device import Can, Device, Job, open_device
from edgekit.devices.drivers.local import LocalDevice
from edgekit.devices.latency.predict import find_tables
from edgekit.devices.latency.workload import read_layers, workload_of
from edgekit.errors import UsageError
from edgekit.extras import install
from edgekit.files import write_bytes
from edgekit.profiling.counts import count_runs
from edgekit.profiling.statistics import summarize

RUNTIME = "litert"
RUNS, SECONDS = 30, 0.3
"""Of a candidate that is measured."""


class State(StrEnum):
    """What became of a candidate. One that is ``KNOWN`` is the same network as another."""

    RUNNING = "running"
    TRAINED = "trained"
    KNOWN = "known"
    TOO_LARGE = "too large"
    TOO_SMALL = "too small"
    FAILED = "failed"


UNFIT = (State.TOO_LARGE, State.TOO_SMALL)
"""Why candidates are not trained."""


@dataclass(frozen=True)
class Costs:
    """Of one int8 file; None for what was not asked.

    ``bytes`` of file, ``latency_ms`` of an inference, ``arena_bytes`` of TFLite Micro's tensor arena, ``instructions``
    of an inference.
    """

    bytes: float | None = None
    latency_ms: float | None = None
    arena_bytes: float | None = None
    instructions: float | None = None

    def beyond(self, limits: Costs) -> dict[str, float]:
        """By what share a cost is over its limit, by its name; of none that is within it."""
        pairs = ((name, value, getattr(limits, name)) for name, value in self.known().items())
        return {name: value / limit - 1 for name, value, limit in pairs if limit is not None and value > limit}

    def spare(self, limits: Costs) -> float:
        """What share of its limit the cost that is nearest to its own leaves."""
        return min(1 - value / limits.known()[name] for name, value in self.known().items() if name in limits.known())

    def known(self) -> dict[str, float]:
        """Those that are known, by their names."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def __str__(self) -> str:
        return ", ".join(TEXTS[name](value) for name, value in self.known().items())


TEXTS = {
    "bytes": lambda value: f"{value:,.0f} B",
    "latency_ms": lambda value: duration(1e6 * value),
    "arena_bytes": lambda value: f"an arena of {value:,.0f} B",
    "instructions": lambda value: f"{value:,.0f} instructions",
}
"""How a cost is written, by its name."""


@dataclass(frozen=True)
class Gauge:
    """Finds out what files cost on the device called ``device`` (none if empty), as far as ``limits`` ask for it."""

    limits: Costs
    device: str = ""
    threads: int = 1

    @cached_property
    def opened(self) -> Device | None:
        """The device; opening it reaches nothing.

        Raises:
            UnknownNameError: there is none of that name.
            UsageError: it cannot tell what is limited.
        """
        if not self.device:
            if self.limits.latency_ms or self.limits.instructions:
                raise UsageError("--max-latency and --max-instructions are those of a device; name one with --device.")
            return None
        device = open_device(self.device)
        if not device.can & (Can.TIME | Can.PREDICT):
            raise UsageError(f"--device {self.device} tells no latency; name cpu, a board or ssh://user@host.")
        if self.limits.instructions and Can.COUNT not in device.can:
            raise UsageError(f"--max-instructions are counted on an emulated board, which {self.device} is not.")
        return device

    @property
    def names(self) -> tuple[str, ...]:
        """The costs that it tells, by their names."""
        asked = self.limits.known()
        return tuple(
            item.name
            for item in fields(Costs)
            if item.name == "bytes" or item.name in asked or (item.name == "latency_ms" and self.device)
        )

    @property
    def provenance(self) -> str:
        """What the latencies are: measured or predicted."""
        return "measured" if self.opened is not None and Can.TIME in self.opened.can else "predicted"

    def costs(self, model: bytes) -> Costs:
        """What an int8 .tflite file costs; what its bytes already forbid is not looked at further.

        Raises:
            UsageError: the device has no latency for this runtime, or is not set up.
            DeviceError: the device cannot be reached.
            RuntimeCrashError: the file does not run there.
        """
        size = Costs(bytes=len(model))
        if len(self.names) == 1 or size.beyond(self.limits):
            return size
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.int8.tflite"
            write_bytes(path, model)
            try:
                return Costs(len(model), **dict(self._further(path)))
            finally:
                if self.opened is not None:
                    self.opened.forget(path)

    def close(self) -> None:
        """Leave nothing on the device."""
        if self.opened is not None:
            self.opened.close()

    def _further(self, path: Path) -> Iterator[tuple[str, float]]:
        device = self.opened
        if "latency_ms" in self.names:
            assert device is not None
            tell = self._measured if Can.TIME in device.can else self._predicted
            yield "latency_ms", tell(path)
        if "arena_bytes" in self.names:
            answer = LocalDevice().run(Job("arena", "tflm", path), _unwatched)
            if "unavailable" in answer:
                raise UsageError(f"--max-arena: {answer['unavailable']}; the packages for it: {install('micro')}.")
            yield "arena_bytes", answer["arena_bytes"]
        if "instructions" in self.names:
            assert device is not None
            runs = count_runs(device.run(Job("count", RUNTIME, path), _unwatched)["log"])
            yield "instructions", median_low(run.total for run in runs)

    def _predicted(self, path: Path) -> float:
        assert self.opened is not None
        workload = workload_of(read_layers(str(path)))  # a file of our own needs no sandbox
        tables = {table.threads: table for table in find_tables(self.opened.card, RUNTIME, workload)}
        if self.threads not in tables:
            known = " and ".join(map(str, tables))
            raise UsageError(f"{self.device} is predicted for {known} threads, not --threads {self.threads}.")
        return tables[self.threads].predict(workload).latency_ms

    def _measured(self, path: Path) -> float:
        assert self.opened is not None
        answer = self.opened.run(Job("measure", RUNTIME, path, self.threads, RUNS, SECONDS), _unwatched)
        return summarize(answer["samples_ns"]).p50_ns / 1e6


def _unwatched(share: float) -> None:
    """Nothing is shown of a job of a second."""


def describe(beyond: Mapping[str, float], costs: Costs) -> str:
    """Why a candidate does not fit."""
    return ", ".join(f"{TEXTS[name](getattr(costs, name))} ({share:+.0%})" for name, share in beyond.items())
