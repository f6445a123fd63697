"""``edgekit predict``: what a model file sees in pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgekit.console import Part, Table
from edgekit.data.files import prepare_image
from edgekit.errors import UsageError
from edgekit.evaluation.classifier import Classifier
from edgekit.evaluation.input_options import InputOptions
from edgekit.evaluation.task_model import remark_on_input
from edgekit.inputs.contract import Pixels
from edgekit.modelfiles.model_ref import find_models
from edgekit.modelfiles.runtime_choice import BY_ENDING, RUNTIME
from edgekit.options import MODEL, Options, argument, group, option
from edgekit.result import Result
from edgekit.tasks.classification import probabilities


@dataclass(frozen=True)
class PredictOptions(Options):
    """Which model sees which pictures; of its files the first that the runtime opens."""

    model: str = argument(MODEL, metavar="MODEL")
    images: tuple[Path, ...] = argument("Picture files of any size and mode.", many=True, metavar="IMAGE")
    runtime: str | None = option(RUNTIME, None, unset=BY_ENDING)
    top: int = option("How many classes to print for each picture.", 3, least=1)
    input: InputOptions = group(InputOptions, without=("task",))


@dataclass(frozen=True)
class Guess:
    """A class with its probability in [0, 1]."""

    label: str
    probability: float


@dataclass(frozen=True)
class Prediction:
    """The likeliest classes of one picture, likeliest first."""

    image: str
    guesses: tuple[Guess, ...]


@dataclass(frozen=True)
class PredictResult(Result):
    """One Prediction per picture."""

    model: str
    runtime: str
    predictions: tuple[Prediction, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The likeliest class of each picture."""
        return tuple(prediction.guesses[0].label for prediction in self.predictions)

    def parts(self) -> Iterator[Part]:
        """A line per picture."""
        rows = [
            (prediction.image, *(f"{guess.label} {guess.probability:.1%}" for guess in prediction.guesses))
            for prediction in self.predictions
        ]
        others = tuple("then" for _ in rows[0][2:])
        yield Table(f"{self.model} in {self.runtime}", ("picture", "answer", *others), rows)


def predict(options: PredictOptions) -> PredictResult:
    """Classify picture files of any size and mode.

    Raises:
        DataError: a picture is missing, broken or no picture.
        ModelError, UsageError, RuntimeCrashError: see ``Classifier``.
    """
    if not options.images:
        raise UsageError("No picture was named; add one or more image files after the model.")
    target = find_models(options.model, options.runtime)[0]
    with Classifier(target.path, runtime=target.runtime, threads=1, options=options.input) as classifier:
        remark_on_input(classifier)
        pictures = ((str(path), prepare_image(path, classifier.contract)) for path in options.images)
        return predict_pixels(classifier, pictures, options.top)


def predict_pixels(classifier: Classifier, pictures: Iterable[tuple[str, Pixels]], top: int) -> PredictResult:
    """Classify named pictures uint8 [H, W, C] of the shape that an open classifier takes."""
    predictions: list[Prediction] = []
    for name, pixels in pictures:
        chances = probabilities(classifier.scores(pixels[None]), classifier.output)[0]
        order = np.argsort(-chances, kind="stable")[:top]
        guesses = tuple(Guess(classifier.labels[index], round(float(chances[index]), 4)) for index in order)
        predictions.append(Prediction(name, guesses))
    return PredictResult(str(classifier.path), classifier.session.runtime, tuple(predictions))
