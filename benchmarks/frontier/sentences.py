"""A student of sentences with its teacher and without: the int8 TFLite file in LiteRT on the test sentences.

    python benchmarks/frontier/sentences.py text-s SST2 RUNS --extra TEXTS

The teacher is ``RUNS/full``, which ``sentences_teacher.py`` beside this has made; TEXTS are sentences without labels,
of ``glosses.py``. The control learns the labeled sentences alone, in as many epochs. The latency is that of the file on
one thread, beside it that of cutting a sentence into its ids. A run that is done is not made again.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from record import record
from student import of_files

from edgekit import catalog
from edgekit.evaluation.task_model import TaskModel
from edgekit.profiling.profile import ProfileOptions, profile
from edgekit.training.distill import DistillOptions, distill
from edgekit.training.recipe_options import DistillRecipeOptions

SENTENCE = "it 's a charming and often affecting journey ."
TIMES = 200


def main(options: argparse.Namespace) -> None:
    """Distill with the teacher and without, quantize, evaluate, and record."""
    runs, recipe = Path(options.runs), catalog.network_card("students", options.student).recipe("full")
    given = DistillOptions(options.student, str(runs / "full"), data=options.data, resume=True)
    own = replace(given, out=runs / options.student, extra=options.extra)
    labels = DistillRecipeOptions(replace(recipe, loss="cross_entropy"))
    control = replace(given, out=runs / f"{options.student}-control", recipe=labels)
    result = {**figures(own), **latency(runs / options.student / "model.int8.tflite"), "control": figures(control)}
    record(__file__, result, f"{options.student} DATA RUNS --extra TEXTS", name=options.student)


def figures(options: DistillOptions) -> dict[str, Any]:
    """A student's accuracies and bytes."""
    assert options.out is not None
    distilled = distill(options)
    return {"validation_accuracy": distilled.validation_accuracy, **of_files(options.out, options.data)}


def latency(path: Path) -> dict[str, float]:
    """Medians in microseconds: of the file alone, and of cutting a sentence into its ids."""
    timing = profile(ProfileOptions((str(path),), threads=1)).models[0].timing
    assert timing is not None
    with TaskModel(path) as model:
        spec, contract = model.session.inputs[0], model.metadata.contract
    assert contract is not None
    taken = []
    for _ in range(TIMES):
        started = time.perf_counter_ns()
        contract.encode([SENTENCE], spec, "")
        taken.append((time.perf_counter_ns() - started) / 1e3)
    return {"file_microseconds": timing.latency.p50_ns / 1e3, "cutting_microseconds": median(taken)}


def arguments() -> argparse.Namespace:
    """What the command takes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("student")
    parser.add_argument("data")
    parser.add_argument("runs")
    parser.add_argument("--extra", default="")
    return parser.parse_args()


if __name__ == "__main__":
    main(arguments())
