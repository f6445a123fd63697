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
import shlex
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from record import record
from seeds import SEEDS, paired

from edgekit import catalog
from edgekit.training.distill import DistillOptions, distill
from edgekit.training.recipe_options import DistillRecipeOptions

CONTROL = "cross_entropy"


def run(options: argparse.Namespace, loss: str, seed: int) -> dict[str, float]:
    """A distillation's accuracies, in [0, 1], and seconds."""
    name = "".join(char if char.isalnum() else "_" for char in loss)
    folder = Path(options.runs) / f"{name}-{seed}"
    recipe = catalog.network_card("students", options.student).recipe(options.recipe)
    if options.views is not None:
        recipe = replace(recipe, views=options.views)
    changed = DistillRecipeOptions(recipe, options.epochs, loss=loss, temperature=options.temperature)
    result = distill(
        DistillOptions(
            options.student,
            tuple(options.teacher),
            options.ensemble,
            data=options.data,
            out=folder,
            recipe=changed,
            seed=seed,
            resume=True,
        )
    )
    times = [json.loads(line) for line in (folder / "timing.jsonl").read_text().splitlines()]
    return {
        "validation": result.validation_accuracy,
        "test": result.test_accuracy,
        "seconds": sum(time["seconds"] for time in times),
        "answering_seconds": sum(time["answering_seconds"] for time in times),
    }


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--student", required=True)
    parser.add_argument("--teacher", action="append", required=True)
    parser.add_argument("--ensemble", default="mean")
    parser.add_argument("--data", required=True)
    parser.add_argument("--recipe", default="full")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--views", type=int)
    parser.add_argument("--loss", action="append", required=True)
    parser.add_argument("--temperature", type=float)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--runs", default="runs/gain")
    options = parser.parse_args(arguments)
    if len(options.seeds) not in SEEDS:
        parser.error(f"give {SEEDS.start} to {SEEDS.stop - 1} seeds")
    found = {loss: [run(options, loss, seed) for seed in options.seeds] for loss in (*options.loss, CONTROL)}
    result = {}
    for loss, runs in found.items():
        rounded = [{key: round(value, 4) for key, value in one.items()} for one in runs]
        share = sum(one["answering_seconds"] for one in runs) / sum(one["seconds"] for one in runs)
        result[loss] = {"runs": rounded, "teacher_share": round(share, 4)}
        for split in ("validation", "test") if loss != CONTROL else ():
            own, control = ([one[split] for one in of_loss] for of_loss in (runs, found[CONTROL]))
            result[loss][f"{split}_gain"] = paired(own, control)
    record(__file__, result, shlex.join(arguments))


if __name__ == "__main__":
    main(sys.argv[1:])
