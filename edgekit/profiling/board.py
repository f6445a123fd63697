"""``edgekit profile --device BOARD``, a board of the catalog: latency as predicted, and what an emulator counts.

The two stand apart and each is named for what it is. A board that is not set up for emulation still has its prediction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgekit.console import print_table
from edgekit.devices.cards import device_card
from edgekit.devices.latency.model import COVERAGE, Prediction
from edgekit.devices.latency.predict import predict_all
from edgekit.errors import UsageError
from edgekit.files import short_names
from edgekit.modelfiles.model_ref import find_models
from edgekit.profiling import emulate
from edgekit.profiling.emulate import CountProfile, CountResult
from edgekit.profiling.profile import choose_runtime


@dataclass(frozen=True)
class FilePrediction:
    """The predicted latencies of one file, by threads; none where ``missing`` says why."""

    file: str
    runtime: str
    predictions: tuple[Prediction, ...]
    missing: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        predictions = [prediction.to_dict() for prediction in self.predictions]
        return {"file": self.file, "runtime": self.runtime, "predictions": predictions, "missing": self.missing}


@dataclass(frozen=True)
class BoardResult:
    """What is known of some files on a board. ``counts`` is None if it is not set up; ``uncounted`` says so then."""

    device: str
    predicted: tuple[FilePrediction, ...]
    counts: CountResult | None
    uncounted: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        counted = self.counts.to_dict() if self.counts else {"device": self.device, "uncounted": self.uncounted}
        return {**counted, "predicted": [item.to_dict() for item in self.predicted]}


def profile_board(models: Sequence[str], device: str, runtime: str = "", needs_counts: bool = False) -> BoardResult:
    """Predict models on a board, and count their instructions if it is set up; raises as ``profile_emulated`` does.

    Raises:
        UsageError: the board is not set up and there is no prediction either, or counts are what is needed.
    """
    predicted = tuple(
        _predicted(target.path, device, choose_runtime(target.path, target.runtime))
        for model in models
        for target in find_models(model, runtime or None)
    )
    try:
        counts = emulate.profile_emulated(models, device, runtime)
        return BoardResult(device, tuple(map(_if_it_runs, predicted, counts.models)), counts)
    except UsageError as exc:
        if needs_counts or not any(item.predictions for item in predicted):
            raise
        return BoardResult(device, predicted, None, str(exc))


def show(result: BoardResult) -> None:
    """Print both parts, each under its own heading."""
    if result.counts is not None:
        emulate.show(result.counts)
    names = short_names(item.file for item in result.predicted)
    rows = [
        (names[item.file], str(prediction.table.threads), str(prediction), _basis(prediction))
        for item in result.predicted
        for prediction in item.predictions
    ]
    if rows:
        title = (
            f"Latency on {result.device} as it is predicted, with the interval that {COVERAGE:.0%} of networks keep to"
        )
        print_table(title, ("file", "threads", "latency", "fitted on"), rows)
    for text in dict.fromkeys(item.missing for item in result.predicted if item.missing):
        print(f"Not predicted: {text}")
    if result.uncounted:
        print(f"Not emulated: {result.uncounted}")


def _if_it_runs(prediction: FilePrediction, counted: CountProfile) -> FilePrediction:
    """No latency of a file that does not run on the board."""
    if not counted.finding:
        return prediction
    return replace(prediction, predictions=(), missing=f"{counted.file} does not run there")


def _predicted(path: Path, device: str, runtime: str) -> FilePrediction:
    try:
        return FilePrediction(str(path), runtime, predict_all(path, device_card(device), runtime))
    except UsageError as exc:
        return FilePrediction(str(path), runtime, (), str(exc))


def _basis(prediction: Prediction) -> str:
    table = prediction.table
    if table.median_error is None:
        return f"{table.rows} rows of one family: not tested on others"
    return f"{table.rows} rows of {table.families} families, median error {table.median_error:.0%}"
