"""EfficientNet-Lite0 fine-tuned on the clothing photos: the head alone, and every weight, with the seconds it takes.

    python benchmarks/frontier/clothing_teacher.py FOLDER RUNS

A run goes on where it was interrupted; its seconds are then those of its last start. Bars: head at least 84% in 60 s,
every weight 89% in 15 minutes on two quiet cores; the test photos are looked at once a run, and decide nothing.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from record import record

from edgekit.training.teach import TeachOptions, TeachResult, teach

TEACHER, SEEDS = "efficientnet-lite0", (0, 1, 2)


def main() -> None:
    data, runs = sys.argv[1], Path(sys.argv[2])
    results = {
        "head": [timed(data, runs / "head", "head", 0)],
        "full": [timed(data, runs / f"full-{seed}", "full", seed) for seed in SEEDS],
    }
    means = {f"{tune}_test_accuracy": mean(one["test_accuracy"] for one in found) for tune, found in results.items()}
    record(__file__, {**results, **means}, "FOLDER RUNS")


def timed(data: str, folder: Path, tune: str, seed: int) -> dict[str, float | str]:
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as cache:
        # As in a first run: decoding the photos and computing their features are among the seconds.
        os.environ["EDGEKIT_CACHE"] = cache
        result: TeachResult = teach(TeachOptions(TEACHER, data, tune, out=folder, seed=seed, resume=True))
    seconds = time.perf_counter() - started
    figures = ("validation_accuracy", "test_accuracy", "test_f1", "sha256")
    return {"seed": seed, "seconds": round(seconds, 1), **{name: getattr(result, name) for name in figures}}


if __name__ == "__main__":
    main()
