"""The state of a training run on disk: one atomic file, and the metrics written from it."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgekit.errors import TrainingError, UsageError
from edgekit.files import write_bytes, write_text
from edgekit.recipe import TrainRecipe
from edgekit.runtimes.refusal import first_line
from edgekit.training.weights import check_sums

CHECKPOINT = "checkpoint.pt"
METRICS = "metrics.jsonl"


def save(folder: Path, state: dict[str, Any]) -> None:
    """Store a run's state (tensors, ``run``, ``epoch``, ``metrics``) as checkpoint.pt, then metrics.jsonl from it."""
    import torch

    stream = io.BytesIO()
    torch.save(state, stream)
    write_bytes(folder / CHECKPOINT, stream.getvalue())
    _write_metrics(folder, state)


def load(folder: Path, run: dict[str, object]) -> dict[str, Any] | None:
    """The state stored in ``folder``, or None if there is none.

    Raises:
        TrainingError: the file is broken (it is never unpickled beyond tensors and plain values).
        UsageError: it belongs to another ``run``: another recipe, seed, data, network or teacher.
    """
    state = _read(folder)
    if state is None:
        return None
    stored = state["run"]
    for key in differing(stored, run):
        what, way = f"another {key}", "use the same options"
        if key == "threads":  # sums in another order are other sums
            what, way = f"{stored.get(key)} threads, not {run.get(key)}", f"set OMP_NUM_THREADS={stored.get(key)}"
        raise UsageError(
            f"{folder / CHECKPOINT} belongs to a run with {what}; {way} to --resume, or choose another --out."
        )
    _write_metrics(folder, state)
    return {key: _interned(value) for key, value in state.items()}


def run_of(folder: Path) -> dict[str, Any]:
    """What decides the run whose state is stored in ``folder``; empty if there is none.

    Raises:
        TrainingError: the file is broken.
    """
    state = _read(folder)
    return {} if state is None else dict(state["run"])


def differing(stored: Mapping[str, object], run: Mapping[str, object]) -> list[str]:
    """What two runs, each as ``run_of`` says it, do not have in common."""
    return [key for key in {**run, **stored} if stored.get(key) != run.get(key)]


def _read(folder: Path) -> dict[str, Any] | None:
    import torch

    path = folder / CHECKPOINT
    if not path.exists():
        return None
    try:
        check_sums(path)
        state: dict[str, Any] = torch.load(path, weights_only=True)
        run = dict(state["run"])
        if recipe := run.get("recipe"):
            # A field that recipes have got since is as by default there.
            run["recipe"] = TrainRecipe.from_dict(recipe, str(path)).to_dict()
        return {**state, "run": run}
    except Exception as exc:  # torch raises whatever the broken bytes lead to
        reason = first_line(exc)
        raise TrainingError(f"{path} is not a readable checkpoint ({reason}); delete it and start again.") from exc


def _write_metrics(folder: Path, state: dict[str, Any]) -> None:
    write_text(folder / METRICS, "".join(json.dumps(record) + "\n" for record in state["metrics"]))


def _interned(value: Any) -> Any:
    """Plain values with equal strings as one object, as in a run that was never stopped.

    Pickle writes a string once and refers to it from then on, so a checkpoint's bytes depend on that.
    """
    if type(value) is dict:
        return {_interned(key): _interned(item) for key, item in value.items()}
    if type(value) is list:
        return [_interned(item) for item in value]
    return sys.intern(value) if isinstance(value, str) else value
