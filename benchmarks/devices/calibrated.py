"""Predicted latency on this machine after ``edgekit devices calibrate cpu``, on files that calibration never saw.

    python benchmarks/devices/calibrated.py CARD.json FILE [FILE ...]

CARD.json is what ``edgekit devices calibrate cpu --json`` printed. Each file is measured with one thread, as
``edgekit profile`` does, and predicted from its shapes; files that no table serves are listed with the reason. Run it
on a machine at rest.
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
from edgekit.devices.predicted.predict import predict_latency
from edgekit.errors import EdgekitError
from edgekit.runtimes import default_runtime

SECONDS = 1.0


def compare(path: Path) -> dict[str, object]:
    """Measured and predicted milliseconds of one file."""
    runtime = default_runtime(path)
    try:
        prediction = predict_latency(path, device_card("cpu-calibrated"), runtime)
        samples = open_device("cpu").run(Job("measure", runtime, path, seconds=SECONDS), lambda share: None)[
            "samples_ns"
        ]
    except EdgekitError as exc:
        return {"file": path.name, "left_out": str(exc).replace(str(path), path.name)}
    measured = float(np.median(samples)) / 1e6
    return {
        "file": path.name,
        "runtime": runtime,
        "precision": prediction.table.precision,
        "measured_ms": measured,
        "predicted_ms": prediction.latency_ms,
        "low_ms": prediction.low_ms,
        "high_ms": prediction.high_ms,
        "error": prediction.latency_ms / measured - 1,
        "inside": prediction.low_ms <= measured <= prediction.high_ms,
    }


def main() -> None:
    """Compare, print and record."""
    calibration = json.loads(Path(sys.argv[1]).read_text())
    files = [compare(Path(name)) for name in sys.argv[2:]]
    known = [item for item in files if "error" in item]
    for item in known:
        print(f"{item['file']:45s} {item['measured_ms']:9.4f} ms measured, {item['predicted_ms']:9.4f} predicted")
    errors = np.abs([item["error"] for item in known])
    summary = {
        "files": len(known),
        "median_error": float(np.median(errors)),
        "inside_their_interval": float(np.mean([item["inside"] for item in known])),
    }
    print(summary)
    record(__file__, {**summary, "files_compared": files, "tables": calibration["tables"]})


if __name__ == "__main__":
    main()
