"""What profiling gives: of each device and each file what was timed, counted and predicted, as far as there is any.

Every one of the three says what its figures are: measured, emulated or predicted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from edgekit.console import Part
from edgekit.devices.cards import FASTEST_MHZ, SLOWEST_MHZ
from edgekit.devices.latency.model import Prediction
from edgekit.errors import DeviceError, ModelError, UsageError
from edgekit.modelfiles.contents import ModelContents
from edgekit.modelfiles.runtime_choice import BY_ENDING, RUNTIME
from edgekit.options import MODELS, MOST_THREADS, NEWEST, Options, argument, option, shape_option
from edgekit.profiling.budget import check_budget, read_budget
from edgekit.profiling.counts import InstructionCounts, OperatorCount
from edgekit.profiling.noise import NoiseWarning
from edgekit.profiling.statistics import LatencyStatistics
from edgekit.result import Result, plain

PIN = re.compile(r"auto|off|\d+(,\d+)*")


@dataclass(frozen=True)
class ProfileOptions(Options):
    """What to profile, where, and how to measure.

    Sampling begins after a warm-up. ``turns``: two files or more also take turns, which gives the ratios of their
    latencies.
    """

    models: tuple[str, ...] = argument(MODELS, (), many=True, metavar="MODEL", unset=NEWEST)
    device: tuple[str, ...] = option(
        "A device of the catalog, or ssh://user@host[:port]; may be repeated.", ("cpu",), many=True, unset="cpu"
    )
    threads: int = option("Threads of the runtime.", 1, least=1, most=MOST_THREADS)
    runtime: str | None = option(RUNTIME, None, unset=BY_ENDING)
    runs: int = option("Time at least this many runs.", 50, least=1)
    seconds: float = option("Time for at least this long.", 1.0, least=0, most=300)
    pin: str = option("Cores to keep to: auto (one for each thread), off, or numbers as in 2,3.", "auto")
    clock: float | None = option(
        "Predict for boards whose processor has this clock, in MHz.",
        None,
        least=SLOWEST_MHZ,
        most=FASTEST_MHZ,
        metavar="MHZ",
        unset="the card's",
    )
    shape: Mapping[str, Sequence[int]] = shape_option()
    budget: str = option(
        "On emulated boards, limits as in instructions=2e6,size=16000,memory=1e6; more: exit status 3.",
        "",
        metavar="LIMITS",
    )
    turns: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.device:
            raise UsageError("No --device is named; name cpu, or one of 'edgekit list devices'.")
        read_budget(self.budget)
        if not PIN.fullmatch(self.pin):
            raise UsageError(f"--pin {self.pin} is not auto, off or numbers of cores as in 2,3.")


@dataclass(frozen=True)
class Memory:
    """Peak resident set (VmHWM) in bytes of the process that ran the model, and its peak before it opened the file.

    None where the system does not tell.
    """

    peak_bytes: int | None
    baseline_bytes: int | None

    @property
    def model_bytes(self) -> int | None:
        """What the model added."""
        if self.peak_bytes is None or self.baseline_bytes is None:
            return None
        return max(0, self.peak_bytes - self.baseline_bytes)


@dataclass(frozen=True)
class Arena:
    """The tensor arena of TFLite Micro in bytes: what it needs in all, activations (head) and the rest (tail)."""

    arena_bytes: int
    head_bytes: int
    tail_bytes: int
    version: str


@dataclass(frozen=True)
class OperatorTime:
    """Mean time of one operator, named as the runtime names it."""

    name: str
    type: str
    mean_ns: float


@dataclass(frozen=True)
class OperatorProfile:
    """The operators in order of execution, by the runtime's profiler.

    ``total_ns`` is the median of a run without the profiler, in turns with those under it. ``profiled_ns`` is what the
    operators took as the profiler saw them, before its cost was taken off (``edgekit.runtimes.worker.operators``).
    """

    operators: tuple[OperatorTime, ...]
    total_ns: float
    profiled_ns: float
    runs: int

    @classmethod
    def from_dict(cls, answer: Mapping[str, Any]) -> OperatorProfile:
        """Read the worker's result of the task ``operators``."""
        return cls(**{**answer, "operators": tuple(OperatorTime(**operator) for operator in answer["operators"])})

    @property
    def sum_ns(self) -> float:
        """The time that is attributed to operators."""
        return sum(operator.mean_ns for operator in self.operators)


@dataclass(frozen=True)
class LoadTime:
    """Nanoseconds from the file's name to a model that is ready to run.

    ``cold_ns``: in a process that has opened nothing before, the file not in the system's memory (``from_disk``; False
    where the system keeps it there, None where it does not tell). ``warm_ns``: once more in the same process.
    """

    cold_ns: int
    warm_ns: float
    from_disk: bool | None


@dataclass(frozen=True)
class Timing:
    """What running a file gave. ``provenance`` says what its figures are, ``warnings`` what casts doubt on them."""

    provenance: str
    threads: int
    load: LoadTime
    first_ns: int
    warmup_runs: int
    latency: LatencyStatistics
    memory: Memory
    operators: OperatorProfile | None
    arena: Arena | None
    warnings: tuple[NoiseWarning, ...]
    machine: Mapping[str, Any]
    versions: Mapping[str, str]
    samples_ns: tuple[int, ...] = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain values with the derived ones and every raw sample, for JSON."""
        document = asdict(self)
        document["memory"]["model_bytes"] = self.memory.model_bytes
        document["latency"]["per_second"] = self.latency.per_second
        if self.operators is not None:
            document["operators"]["sum_ns"] = self.operators.sum_ns
        return document


@dataclass(frozen=True)
class Counting:
    """What one warm run of a file costs, counted exactly in one thread.

    ``spread`` is the share by which the counted runs differ. ``heap_bytes`` is what the runtime keeps for the model
    beside the file itself. ``profiler_cost`` instructions of the runtime's profiler were taken off each operator.
    """

    provenance: str
    counts: InstructionCounts
    spread: float
    heap_bytes: int | None
    operators: tuple[OperatorCount, ...] | None = None
    profiler_cost: int = 0

    @property
    def uses_dot_product(self) -> bool:
        """Whether the runtime picked kernels with dot-product instructions."""
        return self.counts.vector_dot > 0

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {**plain(vars(self)), "uses_dot_product": self.uses_dot_product}


@dataclass(frozen=True)
class ModelProfile:
    """What is known of one file on one device. ``runtime_version`` is that of the runtime that ran it there.

    ``predictions`` are its latencies from the device's card, by threads. ``missing`` says why there are no predictions,
    operators or arena where there might be; ``finding`` why the file does not load or run there.
    """

    file: str
    sha256: str
    runtime: str
    contents: ModelContents
    runtime_version: str = ""
    timing: Timing | None = None
    counting: Counting | None = None
    predictions: tuple[Prediction, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)
    finding: str = ""

    @property
    def exact(self) -> dict[str, float]:
        """The figures that a budget may limit: size in bytes; where they were counted instructions, memory in bytes."""
        found: dict[str, float] = {"size": self.contents.file_bytes}
        if self.counting is not None:
            found["instructions"] = self.counting.counts.total
            if self.counting.heap_bytes is not None:
                found["memory"] = self.counting.heap_bytes
        return found

    def lacks(self, part: str, reason: str) -> ModelProfile:
        """The same without ``part``, and why."""
        return replace(self, missing={**self.missing, part: reason.rstrip(".")})

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "file": self.file,
            "sha256": self.sha256,
            "runtime": self.runtime,
            "runtime_version": self.runtime_version,
            "contents": {**asdict(self.contents), "overhead_bytes": self.contents.overhead_bytes},
            **(self.timing.to_dict() if self.timing else {}),
            **(self.counting.to_dict() if self.counting else {}),
            "predictions": [prediction.to_dict() for prediction in self.predictions],
            "missing": dict(self.missing),
            "finding": self.finding,
        }


@dataclass(frozen=True)
class LatencyRatio:
    """``file`` takes ``ratio`` times as long as ``reference``, with at least 95% between ``low`` and ``high``.

    ``episodes`` are the ratios of the single episodes, ``rounds`` how many pairs of turns they rest on in all.
    """

    file: str
    runtime: str
    reference: str
    reference_runtime: str
    ratio: float
    low: float
    high: float
    episodes: tuple[float, ...]
    rounds: int

    @property
    def differs(self) -> bool:
        """Whether the two are told apart: the interval leaves out 1."""
        return not self.low <= 1 <= self.high


@dataclass(frozen=True)
class DeviceProfile:
    """What one device gave, or the ``error`` that it failed with. ``cpu`` is the emulator's name of its processor.

    ``ratios`` compares each file but the first with the first, where they could take turns; ``no_ratios`` says why not,
    and ``uncounted`` why nothing is emulated where it might be.
    """

    device: str
    provenance: str = ""
    cpu: str = ""
    models: tuple[ModelProfile, ...] = ()
    ratios: tuple[LatencyRatio, ...] = ()
    no_ratios: str = ""
    uncounted: str = ""
    error: str = ""

    def changes(self) -> tuple[dict[str, float], ...]:
        """For each file but the first, by what share each exact figure differs from the first's: 0.03 is 3% more."""
        if not any(model.counting for model in self.models):
            return ()
        first, *others = [model.exact for model in self.models]
        return tuple(
            {name: found[name] / value - 1 for name, value in first.items() if value and name in found}
            for found in others
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        if self.error:
            return {"device": self.device, "error": self.error}
        return {
            "device": self.device,
            "provenance": self.provenance,
            "cpu": self.cpu,
            "models": [model.to_dict() for model in self.models],
            "ratios": [{**asdict(ratio), "differs": ratio.differs} for ratio in self.ratios],
            "no_ratios": self.no_ratios,
            "changes": list(self.changes()),
            "uncounted": self.uncounted,
        }


@dataclass(frozen=True)
class ProfileResult(Result):
    """What each device gave, in the order in which they were named, and the limits that hold (``--budget``)."""

    devices: tuple[DeviceProfile, ...]
    limits: Mapping[str, float] = field(default_factory=dict)

    @property
    def models(self) -> tuple[ModelProfile, ...]:
        """The files on all devices, one device after another."""
        return tuple(model for device in self.devices for model in device.models)

    def parts(self) -> Iterator[Part]:
        """What each device gave, and what casts doubt on it."""
        from edgekit.profiling.show import parts

        return parts(self)

    def deliver(self, show: Callable[[], None]) -> None:
        """Show it, then raise if something that was asked for is not so.

        Raises:
            DeviceError: one of several devices failed.
            ModelError: a file does not load or run on a device.
            GateError: a file is over the budget.
        """
        show()
        failed = [one.device for one in self.devices if one.error]
        if failed:
            raise DeviceError(
                f"{len(failed)} of {len(self.devices)} devices gave no figures: {', '.join(failed)}; "
                "see the warnings, and profile them again."
            )
        for one in self.devices:
            for model in one.models:
                if model.finding:
                    raise ModelError(f"{model.file} does not run on {one.device}: {model.finding}")
        check_budget(self.limits, [(model.file, model.exact) for model in self.models])

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON: of one device its own, of several a list of them."""
        documents = [one.to_dict() for one in self.devices]
        return documents[0] if len(documents) == 1 else {"devices": documents}
