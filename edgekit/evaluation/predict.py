"""``edgekit predict``: what a model file sees in pictures, reads in texts, or makes of arrays."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.artifact import Array, TensorSpec
from edgekit.console import Part, Table
from edgekit.data.arrays import ARRAYS, as_images
from edgekit.data.dataset import Images
from edgekit.data.files import prepare
from edgekit.data.intake import Pictures
from edgekit.data.tensors import read_samples
from edgekit.errors import DataError, UsageError, input_errors
from edgekit.evaluation.input_options import InputOptions
from edgekit.evaluation.task_model import TaskModel, remark_on_input
from edgekit.inputs.contracts import Contract
from edgekit.inputs.text import TextContract
from edgekit.modelfiles.model_ref import find_models
from edgekit.modelfiles.runtime_choice import BY_ENDING, RUNTIME
from edgekit.options import MODEL, Options, argument, group, option
from edgekit.result import Result
from edgekit.runtimes.runtime import sizes_text
from edgekit.tasks.classification import Classification, probabilities
from edgekit.tasks.quality import Reals

Row = Images | Mapping[str, Array]
"""One sample as a row of a split."""
SHOWN = 4
"""Values of an output that the table shows."""
MOST_VALUES = 1000
"""Of an output that are told at all."""
LINES = 50
"""Of the table."""
MOST_CLASSES = 10
"""That the line below a cut table counts."""


@dataclass(frozen=True)
class PredictOptions(Options):
    """Which model sees which pictures, texts or arrays; of its files the first that the runtime opens."""

    model: str = argument(MODEL, metavar="MODEL")
    images: tuple[str, ...] = argument(
        "Picture files of any size and mode; sentences or text files; .npz or .npy files of samples.",
        many=True,
        metavar="FILE|TEXT",
    )
    runtime: str | None = option(RUNTIME, None, unset=BY_ENDING)
    top: int = option("How many classes to print for each picture or text.", 3, least=1)
    input: InputOptions = group(InputOptions, without=("task",))


@dataclass(frozen=True)
class Guess:
    """A class with its probability in [0, 1]."""

    label: str
    probability: float


@dataclass(frozen=True)
class Values:
    """What an output holds: its ``first`` real values in memory's order, MOST_VALUES at most, and the extent of all."""

    output: str
    shape: tuple[int, ...]
    first: tuple[float, ...]
    low: float
    mean: float
    high: float

    @classmethod
    def of(cls, spec: TensorSpec, real: Reals) -> Values:
        """Those of one sample, [values]."""
        low, mean, high = (float(of(real)) for of in (np.min, np.mean, np.max))
        return cls(spec.name, spec.shape, tuple(real[:MOST_VALUES].tolist()), low, mean, high)

    def cells(self) -> tuple[str, ...]:
        """A row of the table."""
        shown = [f"{value:g}" for value in self.first[:SHOWN]]
        first = ", ".join([*shown, "..."] if len(self.first) > SHOWN else shown)
        shape, numbers = sizes_text(self.shape), (f"{value:g}" for value in (self.low, self.mean, self.high))
        return (self.output, shape, first, *numbers)


@dataclass(frozen=True)
class Prediction:
    """What a classifier says of a picture or sample, likeliest class first; of any other model all ``outputs``."""

    input: str
    guesses: tuple[Guess, ...] = ()
    outputs: tuple[Values, ...] = ()


@dataclass(frozen=True)
class PredictResult(Result):
    """One Prediction for each picture or sample."""

    model: str
    runtime: str
    predictions: tuple[Prediction, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The likeliest class of each picture."""
        return tuple(prediction.guesses[0].label for prediction in self.predictions)

    def parts(self) -> Iterator[Part]:
        """A line for each picture, or for each output of each sample; of very many the first ones."""
        title = f"{self.model} in {self.runtime}"
        outputs = len(self.predictions[0].outputs)
        shown = self.predictions[: max(1, LINES // max(1, outputs))]
        if outputs:
            columns = ("sample", "output", "shape", "values", "lowest", "mean", "highest")
            yield Table(title, columns, [(one.input, *values.cells()) for one in shown for values in one.outputs])
        else:
            rows = [(one.input, *(f"{guess.label} {guess.probability:.1%}" for guess in one.guesses)) for one in shown]
            yield Table(title, ("input", "answer", *("then" for _ in rows[0][2:])), rows)
        if len(shown) < len(self.predictions):
            answers = "" if outputs else f", answered {self._answers()}"
            yield f"the first {len(shown)} of {len(self.predictions):,}{answers}; --json gives them all"

    def _answers(self) -> str:
        """How often each class is the likeliest."""
        counts = Counter(self.labels).most_common()
        rest = sum(count for _, count in counts[MOST_CLASSES:])
        said = [f"{label} {count:,} times" for label, count in counts[:MOST_CLASSES]]
        return ", ".join([*said, f"others {rest:,} times"] if rest else said)


def predict(options: PredictOptions) -> PredictResult:
    """What a model makes of picture files of any size and mode, or of arrays: classes, or the values of its outputs.

    Raises:
        DataError: a file is missing or broken, or holds nothing that the model takes.
        ModelError, UsageError, RuntimeCrashError: see ``TaskModel``.
    """
    if not options.images:
        raise UsageError("No file was named; add pictures, texts, or .npz or .npy files of samples, after the model.")
    target = find_models(options.model, options.runtime)[0]
    with TaskModel(target.path, runtime=target.runtime, threads=1, options=options.input) as model:
        given = [str(one) for one in options.images]
        if any(Path(one).suffix not in ARRAYS for one in given):
            remark_on_input(model)
        return predict_rows(model, (pair for one in given for pair in _rows(model, one)), options.top)


def predict_rows(model: TaskModel, rows: Iterable[tuple[str, Row]], top: int) -> PredictResult:
    """What an open model makes of named rows, each of a single sample."""
    predictions: list[Prediction] = []
    outputs = model.session.outputs
    for name, row in rows:
        reals = model.reals(row)
        if isinstance(model.task, Classification):
            chances = probabilities(reals[0], outputs[0])[0]
            order = np.argsort(-chances, kind="stable")[:top]
            guesses = tuple(Guess(model.labels[index], round(float(chances[index]), 4)) for index in order)
            predictions.append(Prediction(name, guesses))
        else:
            values = tuple(Values.of(spec, real[0]) for spec, real in zip(outputs, reals, strict=True))
            predictions.append(Prediction(name, outputs=values))
    return PredictResult(str(model.path), model.session.runtime, tuple(predictions))


def row_of(contract: Contract, given: str) -> Any:
    """A file, or a text itself, as rows [1, ...] of a model of this contract.

    Raises:
        DataError: the file is missing or broken, or the text empty.
    """
    if isinstance(contract, TextContract) and not contract.is_file(given):
        with input_errors(DataError):
            row = contract.read(os.fsencode(given), "The text")
    else:
        row = prepare(Path(given), contract)
    return np.asarray([row], contract.blank.dtype)


def _rows(model: TaskModel, given: str) -> Iterator[tuple[str, Row]]:
    """A picture or text, or the samples of a file of arrays; bytes are pixels where the model takes such."""
    path = Path(given)
    if path.suffix not in ARRAYS:
        if model.reads is None:
            model.refuse_pictures()
        yield given, row_of(model.reads.contract, given)
        return
    samples = read_samples(path, model.tensors)
    (first, *_) = samples.arrays.values()
    rows = as_images(first, given) if isinstance(model.reads, Pictures) and first.dtype == np.uint8 else samples
    for index in range(len(rows)):
        name = f"{path}, sample {index}" if len(rows) > 1 else str(path)
        yield name, rows[index : index + 1]
