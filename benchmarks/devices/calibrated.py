"""Predicted latency on this machine after ``edgekit devices calibrate cpu``, on files that calibration never saw.

    python benchmarks/devices/calibrated.py CARD.json FILE [FILE ...]

CARD.json is what ``edgekit devices calibrate cpu --json`` printed. Each file is measured with one thread in five
processes, minutes apart, as ``edgekit profile`` does, and predicted from its shapes; files that no table serves are
listed with the reason. Calibration predicts what nothing disturbs, so the error to the fastest process is told beside
that to the middle one. Run it on a machine at rest.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from record import record

from edgekit.devices.cards import device_card
from edgekit.devices.device import Job, open_device
from edgekit.devices.latency import predict as predicting
from edgekit.devices.latency.model import Prediction
from edgekit.errors import EdgekitError
from edgekit.modelfiles.runtime_choice import default_runtime

SECONDS = 0.5
PROCESSES = 5
"""Where a file lies in memory, and who else is there, makes it some ten percent faster or slower in each."""


def measure(path: Path) -> float:
    """The median of one process, in milliseconds."""
    job = Job("measure", default_runtime(path), path, seconds=SECONDS)
    return float(np.median(open_device("cpu").run(job, lambda share: None)["samples_ns"])) / 1e6


def predict(path: Path) -> Prediction | str:
    """The prediction of a file, or why there is none."""
    try:
        prediction = predicting.predict(path, device_card("cpu-calibrated"), default_runtime(path))[0]
        measure(path)
    except EdgekitError as exc:
        return str(exc).replace(str(path.resolve()), path.name).replace(str(path), path.name)
    return prediction


def compare(path: Path, prediction: Prediction, medians: list[float]) -> dict[str, object]:
    """Measured and predicted milliseconds of one file."""
    measured = float(np.median(medians))
    return {
        "file": path.name,
        "runtime": default_runtime(path),
        "precision": prediction.table.precision,
        "measured_ms": measured,
        "measured_ms_of_each_process": medians,
        "predicted_ms": prediction.latency_ms,
        "low_ms": prediction.low_ms,
        "high_ms": prediction.high_ms,
        "error": prediction.latency_ms / measured - 1,
        "error_to_the_fastest": prediction.latency_ms / min(medians) - 1,
        "inside": prediction.low_ms <= measured <= prediction.high_ms,
    }


def main() -> None:
    """Compare, print and record."""
    calibration = json.loads(Path(sys.argv[1]).read_text())
    found = {path: predict(path) for path in map(Path, sys.argv[2:])}
    predicted = {path: item for path, item in found.items() if not isinstance(item, str)}
    rounds = [{path: measure(path) for path in predicted} for _ in range(PROCESSES)]
    known = [compare(path, item, [one[path] for one in rounds]) for path, item in predicted.items()]
    left_out = [{"file": path.name, "left_out": item} for path, item in found.items() if isinstance(item, str)]
    for item in known:
        print(f"{item['file']:45s} {item['measured_ms']:9.4f} ms measured, {item['predicted_ms']:9.4f} predicted")
    summary = {
        "files": len(known),
        "median_error": float(np.median(np.abs([item["error"] for item in known]))),
        "median_error_to_the_fastest": float(np.median(np.abs([item["error_to_the_fastest"] for item in known]))),
        "inside_their_interval": float(np.mean([item["inside"] for item in known])),
    }
    print(summary)
    record(__file__, {**summary, "files_compared": [*known, *left_out], "tables": calibration["tables"]})


if __name__ == "__main__":
    main()
