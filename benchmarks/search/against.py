"""What a search is worth: its best student, that of random search in the same time, and the hand-made one.

    python benchmarks/search/against.py cifar-s cifar10.npz runs/against --max-size 98496 --hours 2
    python benchmarks/search/against.py photo-s clothing runs/against --teacher efficientnet-lite0-run --max-size 100KB

All three learn by the same full recipe in the end and are quantized alike; validation images choose everything, and the
int8 files are measured on the test images. Each seed is a search of its own. What an earlier call with the same folder
has done is not done again. The result: accuracies by seed, and by how many points the search is better, with a 95%
interval (Student's t) over the seeds.
"""

from __future__ import annotations

import argparse
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import optuna

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from record import record
from seeds import SEEDS, paired

from edgekit import catalog
from edgekit.options import build, byte_size
from edgekit.quantization.options import QuantizeOptions
from edgekit.quantization.quantize import QuantizeResult, quantize
from edgekit.search.records import SearchOptions, milliseconds
from edgekit.search.search import search
from edgekit.search.study import NAME, STUDY_FILE
from edgekit.training.distill import DistillOptions, distill

SEARCH, RANDOM, HAND_MADE = "guided", "random", "hand-made"


def main(options: argparse.Namespace) -> None:
    """Run all, and record."""
    found: dict[str, list[dict[str, Any]]] = {}
    for seed in range(options.seeds):
        for name in (SEARCH, *options.beside):
            found.setdefault(name, []).append(one(options, name, seed))
            print(name, seed, found[name][-1], flush=True)
    figures = {name: [run["test_accuracy"] for run in runs] for name, runs in found.items()}
    better = {f"points over {name}": paired(figures[SEARCH], figures[name]) for name in options.beside}
    given = {**vars(options), "data": Path(options.data).name, "folder": "DIR"}
    name = f"{options.student}-{options.max_size or options.max_latency}"
    record(__file__, {"options": given, "runs": found, **better}, "STUDENT DATA DIR ...", name=name)


def one(options: argparse.Namespace, name: str, seed: int) -> dict[str, Any]:
    """One student of one seed."""
    folder = Path(options.folder) / f"{name}-{seed}"
    shared = {"data": options.data, "out": folder, "seed": seed, "epochs": options.epochs, "teacher": options.teacher}
    if name == HAND_MADE:
        distill(build(DistillOptions, {**shared, "student": options.student, "resume": True}))
        return {
            "network": options.student,
            **figures_of(quantize(QuantizeOptions(str(folder), options.data, int8=True))),
        }
    names = ("student", "device", "max_size", "max_latency", "hours", "trials", "workers")
    limits = {key: value for key in names if (value := getattr(options, key)) is not None}
    if (folder / catalog.SEARCH).exists():
        limits["hours"] = 0.0
    result = search(build(SearchOptions, {**shared, **limits, "sampler": name}))
    assert result.best is not None
    assert result.quantized is not None
    states = [candidate.state for candidate in result.candidates]
    counts = {state: states.count(state) for state in sorted(set(states))}
    known = {"network": result.best.network, "validation": result.best.accuracies, "candidates": counts}
    study = optuna.load_study(study_name=NAME, storage=f"sqlite:///{folder / STUDY_FILE}")
    taken = [trial.datetime_complete - trial.datetime_start for trial in study.trials if trial.datetime_complete]
    over = [one for one in result.candidates if one.accuracies and one.costs.beyond(result.limits)]
    return {
        **known,
        "costs": result.best.costs.known(),
        "hours of one worker": sum(taken, timedelta()) / timedelta(hours=1),
        "trained over the budget": len(over),
        **figures_of(result.quantized),
    }


def figures_of(made: QuantizeResult) -> dict[str, Any]:
    """Bytes and test accuracy of the int8 TFLite file."""
    assert made.tflite.quality is not None
    return {"bytes": made.tflite.file_bytes, "test_accuracy": made.tflite.quality.accuracy}


def arguments() -> argparse.Namespace:
    """What the command takes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("student", "data", "folder"):
        parser.add_argument(name)
    parser.add_argument("--teacher", action="append", default=[])
    parser.add_argument("--device")
    parser.add_argument("--max-size", type=byte_size)
    parser.add_argument("--max-latency", type=milliseconds)
    parser.add_argument("--hours", type=float)
    parser.add_argument("--trials", type=int)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--beside", nargs="*", default=[RANDOM, HAND_MADE], choices=[RANDOM, HAND_MADE])
    parser.add_argument("--seeds", type=int, default=3, choices=[1, *SEEDS])
    return parser.parse_args()


if __name__ == "__main__":
    main(arguments())
