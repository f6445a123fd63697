"""What a search is worth: its best student, that of random search in the same time, and the hand-made one.

    python benchmarks/search/against.py cifar-s cifar10.npz runs/against --max-size 98496 --hours 2
    python benchmarks/search/against.py photo-s clothing runs/against --teacher efficientnet-lite0-run --max-size 100KB

All learn by the same full recipe in the end and are quantized alike; validation images choose everything, and the int8
files are measured on the test images. Each seed is a search of its own; random search draws from the same family, and
begins neither with the card's own network nor with the teacher with channels taken out. The hand-made student learns as
many epochs as the best of a search does in its last training, and in the runs ``hand-made-longer-SEED`` as many as
``--longer`` says, to compare it with all that a search costs. What the result of an earlier call has is not done again,
and what is in its folder is gone on with; ``--runs`` names those to do in this call. The result: accuracies by seed,
the best of the family where the cut teacher was better, and by how many points the search is better, with a 95%
interval (Student's t) over the seeds.
"""

from __future__ import annotations

import argparse
import json
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
from edgekit.search.costs import State
from edgekit.search.records import GUIDED, RANDOM, SearchOptions, SearchResult, milliseconds
from edgekit.search.search import search
from edgekit.search.setting import Setting
from edgekit.search.shrunk import SHRUNK
from edgekit.search.study import NAME, STUDY_FILE
from edgekit.search.trials import Found
from edgekit.training.distill import DistillOptions, distill

HAND_MADE, LONGER = "hand-made", "hand-made-longer"
NAMES = (GUIDED, RANDOM, HAND_MADE, LONGER)


def main(options: argparse.Namespace) -> None:
    """Do what is not done yet, and record it run by run."""
    own = ("folder", "runs", "longer")  # of a call
    given = {key: value for key, value in vars(options).items() if key not in own} | {"data": Path(options.data).name}
    name = f"{options.student}-{options.max_size or options.max_latency}"
    for run in options.runs:
        kind, _, seed = run.rpartition("-")
        if run in done(name, given):
            continue
        made = one(options, kind, int(seed))
        print(run, made, flush=True)
        runs = {**done(name, given), run: made}  # another call may have added to them
        record(__file__, {"options": given, "runs": runs, **comparison(runs)}, "STUDENT DATA DIR ...", name=name)


def done(name: str, given: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The runs that the result has."""
    path = Path(__file__).with_name(f"{name}.json")
    if not path.exists():
        return {}
    result = json.loads(path.read_text())["result"]
    if result["options"] != given:
        sys.exit(f"{path} was made with other options; move it away to begin another.")
    return dict(result["runs"])


def comparison(runs: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """By how much the search is better than each other, over the seeds that both have."""
    found = {}
    for other in NAMES[1:]:
        seeds = [run.rpartition("-")[2] for run in runs if run.startswith(f"{GUIDED}-")]
        both = sorted(seed for seed in seeds if f"{other}-{seed}" in runs)
        if both:
            own, others = ([runs[f"{name}-{seed}"]["test_accuracy"] for seed in both] for name in (GUIDED, other))
            found[f"points over {other}"] = paired(own, others)
    return found


def one(options: argparse.Namespace, name: str, seed: int) -> dict[str, Any]:
    """One student of one seed."""
    folder = Path(options.folder) / f"{name}-{seed}"
    shared = {"data": options.data, "out": folder, "seed": seed, "epochs": options.epochs, "teacher": options.teacher}
    if name in (HAND_MADE, LONGER):
        epochs = options.longer if name == LONGER else options.epochs
        distill(build(DistillOptions, {**shared, "epochs": epochs, "student": options.student, "resume": True}))
        return {
            "network": options.student,
            "epochs": epochs,
            **figures_of(quantize(QuantizeOptions(str(folder), options.data, int8=True))),
        }
    names = ("student", "device", "max_size", "max_latency", "hours", "trials", "workers")
    limits = {key: value for key in names if (value := getattr(options, key)) is not None}
    if options.hours is not None:
        left = options.hours - hours_of(folder) / (options.workers or 1)
        limits["hours"] = 0.0 if (folder / catalog.SEARCH).exists() else max(0.0, left)
    searching = build(SearchOptions, {**shared, **limits, "sampler": name})
    answer_all(searching)
    result = search(searching)
    assert result.best is not None
    assert result.quantized is not None
    states = [candidate.state for candidate in result.candidates]
    counts = {state: states.count(state) for state in sorted(set(states))}
    known = {**known_of(result.best), "candidates": counts, "of the family": known_of(best_of_family(result))}
    over = [one for one in result.candidates if one.accuracies and one.costs.beyond(result.limits)]
    return {
        **known,
        "costs": result.best.costs.known(),
        "hours of one worker": hours_of(folder),
        "trained over the budget": len(over),
        **figures_of(result.quantized),
    }


def best_of_family(result: SearchResult) -> Found:
    """The best that is not the teacher with channels taken out, of those that have learned longest."""
    own = [one for one in result.candidates if one.state == State.TRAINED and not one.values[SHRUNK]]
    return min(own, key=lambda one: (-len(one.losses), one.loss))


def known_of(found: Found) -> dict[str, Any]:
    """A candidate, and what it knew of the validation images after each rung."""
    return {"network": found.network, "validation": found.accuracies, "losses": found.losses}


def answer_all(options: SearchOptions) -> None:
    """Have the teacher answer all views, so that it is not the first search of a seed that pays for it."""
    with Setting.of(options) as setting:
        card = setting.family.card
        setting.school.ask(card.contract, options.recipe.of(card, len(setting.school.data(card.contract).train)))


def hours_of(folder: Path) -> float:
    """What the candidates of a study have taken so far, one worker at a time, pauses of theirs included."""
    if not (folder / STUDY_FILE).exists():
        return 0.0
    study = optuna.load_study(study_name=NAME, storage=f"sqlite:///{folder / STUDY_FILE}")
    taken = [trial.datetime_complete - trial.datetime_start for trial in study.trials if trial.datetime_complete]
    return sum(taken, timedelta()) / timedelta(hours=1)


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
    parser.add_argument("--longer", type=int, metavar="EPOCHS", help="of the hand-made one in the time of a search")
    every = [f"{name}-{seed}" for seed in range(SEEDS.stop - 1) for name in NAMES]
    usual = [f"{name}-{seed}" for seed in range(3) for name in NAMES if name != LONGER]
    parser.add_argument("--runs", nargs="*", metavar="NAME-SEED", choices=every, default=usual)
    return parser.parse_args()


if __name__ == "__main__":
    main(arguments())
