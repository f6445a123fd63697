"""What a teacher is worth: the same student with it and without it, over the same epochs, views and seeds.

    python benchmarks/frontier/gain.py --student cifar-s --teacher cifar10-cnn --data cifar10.npz --seeds 0 1 2 \
        --loss "0.1*cross_entropy + 0.9*kd" --loss "0.1*cross_entropy + 9*standardized(kd)" --runs runs/gain

The control learns the labels alone (``--loss cross_entropy``); all else is the same. Gains are differences of the
accuracies of one seed, in points; their interval is Student's, 95%, over the seeds. Each run is a folder below --runs;
a command that was stopped goes on. ``teacher_share`` is the share of a loss's time that the answers took: the first
loss finds none in an empty cache.
"""

from __future__ import annotations

import argparse
import json
import math
import shlex
import statistics
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from record import record

from edgekit.training.distill import DistillOptions, distill
from edgekit.training.recipe_options import DistillRecipeOptions

CONTROL = "cross_entropy"
T975 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
"""Of Student's distribution with 1, 2, ... degrees of freedom."""


def run(options: argparse.Namespace, loss: str, seed: int) -> dict[str, float]:
    """A distillation's figures, in percent and seconds."""
    name = "".join(char if char.isalnum() else "_" for char in loss)
    folder = Path(options.runs) / f"{name}-{seed}"
    recipe = DistillRecipeOptions(options.recipe, options.epochs, loss=loss, temperature=options.temperature)
    result = distill(
        DistillOptions(
            options.student,
            tuple(options.teacher),
            options.ensemble,
            data=options.data,
            out=folder,
            recipe=recipe,
            seed=seed,
            resume=True,
        )
    )
    times = [json.loads(line) for line in (folder / "timing.jsonl").read_text().splitlines()]
    return {
        "validation": 100 * result.validation_accuracy,
        "test": 100 * result.test_accuracy,
        "seconds": sum(time["seconds"] for time in times),
        "answering_seconds": sum(time["answering_seconds"] for time in times),
    }


def interval(differences: list[float]) -> dict[str, Any]:
    """The mean of differences with its 95% interval."""
    n, mean = len(differences), statistics.fmean(differences)
    half = T975[n - 2] * statistics.stdev(differences) / math.sqrt(n)
    low, high = round(mean - half, 3), round(mean + half, 3)
    return {"n": n, "points": round(mean, 3), "low": low, "high": high, "of_seeds": [round(x, 3) for x in differences]}


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--student", required=True)
    parser.add_argument("--teacher", action="append", required=True)
    parser.add_argument("--ensemble", default="mean")
    parser.add_argument("--data", required=True)
    parser.add_argument("--recipe", default="full")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--loss", action="append", required=True)
    parser.add_argument("--temperature", type=float)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--runs", default="runs/gain")
    options = parser.parse_args(arguments)
    if not 2 <= len(options.seeds) <= len(T975) + 1:
        parser.error(f"give 2 to {len(T975) + 1} seeds")
    found = {loss: [run(options, loss, seed) for seed in options.seeds] for loss in (*options.loss, CONTROL)}
    result = {}
    for loss, runs in found.items():
        rounded = [{key: round(value, 3) for key, value in one.items()} for one in runs]
        share = sum(one["answering_seconds"] for one in runs) / sum(one["seconds"] for one in runs)
        result[loss] = {"runs": rounded, "teacher_share": round(share, 4)}
        for split in ("validation", "test") if loss != CONTROL else ():
            pairs = zip(runs, found[CONTROL], strict=True)
            result[loss][f"{split}_gain"] = interval([one[split] - control[split] for one, control in pairs])
    record(__file__, result, shlex.join(arguments))


if __name__ == "__main__":
    main(sys.argv[1:])
