"""What profiling a model gives: one record per file, with everything needed to judge its figures."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from edgekit.errors import UsageError
from edgekit.modelfiles.contents import ModelContents
from edgekit.profiling.noise import NoiseWarning
from edgekit.profiling.statistics import LatencyStatistics

PIN = re.compile(r"auto|off|\d+(,\d+)*")


@dataclass(frozen=True)
class ProfileOptions:
    """How to measure.

    ``runtime`` is a key of ``edgekit.runtimes.RUNTIMES``, or empty for the usual one for the file.
    Sampling goes on for at least ``runs`` runs and at least ``seconds`` seconds, after a warm-up. ``pin`` says which
    cores the runtime keeps to: auto (as many as there are threads), off, or their numbers as in "2,3". ``turns``: two
    files or more also take turns, which gives the ratios of their latencies.
    """

    device: str = "cpu"
    runtime: str = ""
    threads: int = 1
    runs: int = 50
    seconds: float = 1.0
    pin: str = "auto"
    turns: bool = True

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise UsageError(f"--threads {self.threads} must be at least 1.")
        if self.runs < 1:
            raise UsageError(f"--runs {self.runs} must be at least 1.")
        if not 0 <= self.seconds <= 300:
            raise UsageError(f"--seconds {self.seconds} must be between 0 and 300.")
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
        operators = tuple(OperatorTime(**operator) for operator in answer["operators"])
        return cls(operators, answer["total_ns"], answer["profiled_ns"], answer["runs"])

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
class ModelProfile:
    """Everything measured about one file. ``missing`` says why ``operators`` or ``arena`` is None."""

    file: str
    sha256: str
    runtime: str
    runtime_version: str
    threads: int
    contents: ModelContents
    load: LoadTime
    first_ns: int
    warmup_runs: int
    latency: LatencyStatistics
    memory: Memory
    operators: OperatorProfile | None
    arena: Arena | None
    missing: Mapping[str, str]
    warnings: tuple[NoiseWarning, ...]
    machine: Mapping[str, Any]
    versions: Mapping[str, str]
    samples_ns: tuple[int, ...] = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain values with the derived ones and every raw sample, for JSON."""
        document = asdict(self)
        document["contents"]["overhead_bytes"] = self.contents.overhead_bytes
        document["memory"]["model_bytes"] = self.memory.model_bytes
        document["latency"]["per_second"] = self.latency.per_second
        if self.operators is not None:
            document["operators"]["sum_ns"] = self.operators.sum_ns
        return document


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
class ProfileResult:
    """The profiles of one command. ``provenance``: measured, emulated or predicted.

    ``ratios`` compares each file but the first with the first, where they could take turns; ``no_ratios`` says why not.
    """

    device: str
    provenance: str
    models: tuple[ModelProfile, ...]
    ratios: tuple[LatencyRatio, ...] = ()
    no_ratios: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "device": self.device,
            "provenance": self.provenance,
            "models": [model.to_dict() for model in self.models],
            "ratios": [{**asdict(ratio), "differs": ratio.differs} for ratio in self.ratios],
            "no_ratios": self.no_ratios,
        }
