"""``edgekit profile --device BOARD`` for a board that is emulated: exact counts instead of times.

Two processes per file: one counts whole runs and the memory, one counts the operators under the runtime's profiler.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from edgekit.console import progress
from edgekit.devices.device import Device, Job, open_device
from edgekit.errors import ModelError, RuntimeCrashError
from edgekit.files import require_file
from edgekit.graph.isolated import model_sha256
from edgekit.modelfiles.model_ref import find_models
from edgekit.modelfiles.session import vet
from edgekit.profiling.counts import InstructionCounts, OperatorCount, count_operators, count_runs
from edgekit.profiling.profile import choose_runtime
from edgekit.profiling.show_counts import show

__all__ = ["CountProfile", "CountResult", "profile_emulated", "show"]

PERCENT = 100
ATTEMPTS = 3
"""On a busy machine the clock that tells the operators apart may be read too late."""


@dataclass(frozen=True)
class CountProfile:
    """What one warm run of a file costs on the board, in one thread.

    ``counts`` is None if the file does not load or run there; ``finding`` says why. ``spread`` is the share by which
    the counted runs differ. ``heap_bytes`` is what the runtime keeps for the model beside the file itself.
    ``operators`` may be None, then ``missing`` says why; ``profiler_cost`` instructions of the runtime's profiler were
    taken off each of them.
    """

    file: str
    sha256: str
    runtime: str
    runtime_version: str
    size_bytes: int
    counts: InstructionCounts | None
    spread: float
    heap_bytes: int | None
    operators: tuple[OperatorCount, ...] | None
    profiler_cost: int
    finding: str = ""
    missing: str = ""

    @property
    def uses_dot_product(self) -> bool:
        """Whether the runtime picked kernels with dot-product instructions."""
        return self.counts is not None and self.counts.vector_dot > 0

    def figures(self) -> dict[str, float]:
        """What a budget may limit: instructions, and size and memory in bytes."""
        found = {"size": self.size_bytes, "memory": self.heap_bytes}
        found["instructions"] = self.counts.total if self.counts else None
        return {name: value for name, value in found.items() if value is not None}

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            **{name: value for name, value in vars(self).items() if name not in ("counts", "operators")},
            "counts": self.counts.to_dict() if self.counts else None,
            "uses_dot_product": self.uses_dot_product,
            "operators": [operator.to_dict() for operator in self.operators] if self.operators else None,
        }


@dataclass(frozen=True)
class CountResult:
    """The files of one command, each compared with the first."""

    device: str
    cpu: str
    models: tuple[CountProfile, ...]
    provenance: str = "emulated"

    def changes(self) -> tuple[dict[str, float], ...]:
        """For each file but the first, by what share each figure differs from the first's: 0.03 is 3% more."""
        first, *others = [model.figures() for model in self.models]
        return tuple(
            {name: found[name] / value - 1 for name, value in first.items() if value and name in found}
            for found in others
        )

    def require_loaded(self) -> None:
        """Raise what was found for a file that does not load or run.

        Raises:
            ModelError: there is one.
        """
        for model in self.models:
            if model.finding:
                raise ModelError(f"{model.file} does not run on {self.device}: {model.finding}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        models = [model.to_dict() for model in self.models]
        changes = [dict(change) for change in self.changes()]
        named = {"device": self.device, "cpu": self.cpu, "provenance": self.provenance}
        return {**named, "models": models, "changes": changes}


def profile_emulated(models: Sequence[str], device: str, runtime: str = "") -> CountResult:
    """Count models, each ``MODEL`` or ``MODEL@RUNTIME``, on an emulated board.

    Raises:
        UsageError: a name is unknown, the board is not set up, or the runtime is not one of LiteRT and ONNX Runtime.
        ModelError: a file is missing or broken. One that is sound and does not run there is a finding, no error.
    """
    targets = [target for model in models for target in find_models(model, runtime or None)]
    jobs = []
    for target in targets:
        require_file(target.path)
        jobs.append(Job("count", choose_runtime(target.path, target.runtime), target.path))
    opened = open_device(device)
    found = []
    with progress(f"running on an emulated {device}", len(jobs) * 2 * PERCENT) as bar:
        for number, job in enumerate(jobs):
            bar.update(number * 2 * PERCENT, job.model.name)
            found.append(count_file(opened, job))
    return CountResult(opened.name, getattr(opened, "cpu", ""), tuple(found))


def count_file(device: Device, job: Job) -> CountProfile:
    """Count one file on an opened board. Raises as ``profile_emulated`` does."""
    contents = vet(job.model)
    profile = CountProfile(
        file=str(job.model),
        sha256=model_sha256(job.model),
        runtime=job.runtime,
        runtime_version="",
        size_bytes=contents.file_bytes,
        counts=None,
        spread=0.0,
        heap_bytes=None,
        operators=None,
        profiler_cost=0,
    )
    try:
        answer = device.run(job, _ignore)
    except (ModelError, RuntimeCrashError) as exc:
        return replace(profile, finding=str(exc), missing="the file does not run")
    runs = sorted(count_runs(answer["log"]), key=lambda run: run.total)
    counts = runs[(len(runs) - 1) // 2]
    profile = replace(
        profile,
        runtime_version=answer["versions"][job.runtime],
        counts=counts,
        spread=(runs[-1].total - runs[0].total) / max(1, counts.total),
        heap_bytes=answer["heap_bytes"],
    )
    return _with_operators(profile, device, replace(job, task="count-operators"), counts)


def _with_operators(profile: CountProfile, device: Device, job: Job, whole: InstructionCounts) -> CountProfile:
    operators = None
    for _ in range(ATTEMPTS):
        try:
            answer = device.run(job, _ignore)
        except (ModelError, RuntimeCrashError) as exc:
            return replace(profile, missing=str(exc))
        if "unavailable" in answer:
            return replace(profile, missing=answer["unavailable"])
        if operators := count_operators(answer["log"], answer["operators"]):
            break
    else:
        return replace(profile, missing="the operators' times fit no readings of the clock; try on a quieter machine")
    cost = profiler_cost([operator.counts.total for operator in operators], whole.total)
    return replace(profile, operators=operators, profiler_cost=cost)


def profiler_cost(operators: Sequence[int], whole: int) -> int:
    """What the runtime's profiler adds to each operator, as one number: the operators exceed ``whole`` by it.

    It is at most what the smallest operator took in all.
    """
    return max(0, min(min(operators), (sum(operators) - whole) // len(operators)))


def _ignore(_: float) -> None:
    pass
