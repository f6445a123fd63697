"""Predicted latency on published rows, each network by a fit that has seen none of its family; and what it rests on.

    python benchmarks/devices/predicted.py

Beside the held-out rows it judges the instructions of whole networks against counted ones, and the Zero 2 W, for which
only one latency of TFLite is published: from the rows of ncnn on a 3 B+, which has the same core, those on a Zero 2 W
follow by the ratio of both boards' predictions. Then come rows of ``unstated_latency.csv``, whose sources do not say on
how many threads, and the shipped students on the four boards.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fit import CLOSE, FitResult, fit_published, hardware_of, show
from latency.instructions import judged
from latency.published import PublishedRow, published_rows
from latency.rebuild import rebuild
from record import record

from edgekit import catalog
from edgekit.devices.cards import device_card
from edgekit.devices.latency.model import Prediction
from edgekit.devices.latency.predict import predict

BOARDS = ("raspberry-pi-zero-2w", "raspberry-pi-3b-plus", "raspberry-pi-4b", "raspberry-pi-5")
UNSTATED = Path(__file__).with_name("unstated_latency.csv")
KNOWN, ASKED = "raspberry-pi-3b-plus", "raspberry-pi-zero-2w"


def main() -> None:
    """Fit, judge, print and record."""
    result = fit_published(published_rows())
    show(result)
    figures = result.to_dict()
    for item in figures["held_out"]:
        del item["source"]  # it stands in published_latency.csv
        item["predicted_ms"] = round(item["predicted_ms"], 3)
    others = {
        "instructions": judge_instructions(),
        "zero_2w": judge_zero(result),
        "unstated": judge_unstated(result),
        "students": dict(students()),
    }
    for name, found in others.items():
        print(name, found)
    record(__file__, {**figures, **others})


def judge_instructions() -> dict[str, dict[str, float]]:
    """By kernels, how far the instructions of networks that nothing was fitted to are from what their layers give."""
    errors: dict[str, list[float]] = {}
    for _, kernels, _, counted, expected in judged():
        errors.setdefault(kernels, []).append(abs(expected / counted - 1))
    return {kernels: _errors(found) for kernels, found in errors.items()}


def judge_zero(result: FitResult) -> dict[str, float]:
    """Errors of the Zero 2 W's rows as they follow from the 3 B+'s."""
    rows = {_key(row): row for row in published_rows() if row.board == KNOWN and row.runtime == "ncnn"}
    asked = [row for row in published_rows() if row.board == ASKED and _key(row) in rows]
    return _errors([rows[_key(row)].latency_ms * _ratio(result, row) / row.latency_ms - 1 for row in asked])


def _key(row: PublishedRow) -> tuple[str, str, str, int]:
    return row.runtime, row.network, row.precision, row.threads


def _ratio(result: FitResult, row: PublishedRow) -> float:
    """How many times as long as the 3 B+ the Zero 2 W takes for a row's network, with XNNPACK's kernels."""
    row = replace(row, runtime="tflite-xnnpack")
    asked, known = (_predicted(result, replace(row, board=board)).latency_ms for board in (ASKED, KNOWN))
    return asked / known


def judge_unstated(result: FitResult) -> dict[str, Any]:
    """Rows that the fit never has, as they would be on four threads: their sources do not say on how many they were."""
    rows = published_rows(UNSTATED)
    found = [_predicted(result, row) for row in rows]
    return {
        **_errors([one.latency_ms / row.latency_ms - 1 for row, one in zip(rows, found, strict=True)]),
        "inside": sum(one.low_ms <= row.latency_ms <= one.high_ms for row, one in zip(rows, found, strict=True)),
        "predicted": {
            f"{row.network} {row.precision} {row.board}, {row.latency_ms} ms": str(one)
            for row, one in zip(rows, found, strict=True)
        },
    }


def _predicted(result: FitResult, row: PublishedRow) -> Prediction:
    """The latency of a row's network on its board."""
    hardware = hardware_of(row.board)
    (kernels,) = (
        item for item in result.cores[hardware.core] if (item.runtime, item.precision) == (row.runtime, row.precision)
    )
    (rates,) = (item for item in kernels.rates if item.threads == row.threads)
    return kernels.table(rates, hardware).predict(rebuild(row.network))


def students() -> Iterator[tuple[str, dict[str, Any]]]:
    """By board and file, milliseconds by threads, each with its interval."""
    for board in BOARDS:
        found = {}
        for name in catalog.names("students"):
            for path in catalog.network_card("students", name).model_files:
                runtime = "ort" if path.suffix == ".onnx" else "litert"
                found[f"{name}/{path.name}"] = {
                    str(one.table.threads): str(one) for one in predict(path, device_card(board), runtime)
                }
        yield board, found


def _errors(errors: list[float]) -> dict[str, float]:
    sizes = np.abs(errors)
    return {
        "rows": len(sizes),
        "median_error": float(np.median(sizes)),
        "p90_error": float(np.quantile(sizes, 0.9)),
        "within_35_percent": float(np.mean(sizes <= CLOSE)),
    }


if __name__ == "__main__":
    main()
