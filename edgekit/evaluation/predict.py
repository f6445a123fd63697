"""``edgekit predict``: what a model file sees in pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.console import print_table
from edgekit.data.files import prepare_image
from edgekit.errors import UsageError
from edgekit.evaluation.classifier import Classifier, remark_on_input
from edgekit.evaluation.input_options import InputOptions
from edgekit.modelfiles.model_ref import find_models
from edgekit.tasks.classification import probabilities

DEFAULT_TOP = 3


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
class PredictResult:
    """One Prediction per picture."""

    model: str
    runtime: str
    predictions: tuple[Prediction, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def predict(
    model: str,
    images: Sequence[Path],
    runtime: str | None = None,
    top: int = DEFAULT_TOP,
    options: InputOptions | None = None,
) -> PredictResult:
    """Classify picture files of any size and mode; MODEL is the first of its files that the runtime opens.

    ``options`` say what the file does not say of its input and classes.

    Raises:
        DataError: a picture is missing, broken or no picture.
        ModelError, UsageError, RuntimeCrashError: see ``Classifier``.
    """
    if not images:
        raise UsageError("No picture was named; add one or more image files after the model.")
    target = find_models(model, runtime)[0]
    with Classifier(target.path, runtime=target.runtime, threads=1, options=options) as classifier:
        remark_on_input(classifier)
        predictions: list[Prediction] = []
        for path in images:
            scores = classifier.scores(prepare_image(path, classifier.contract)[None])
            chances = probabilities(scores, classifier.output)[0]
            order = np.argsort(-chances, kind="stable")[:top]
            guesses = tuple(Guess(classifier.labels[index], round(float(chances[index]), 4)) for index in order)
            predictions.append(Prediction(str(path), guesses))
    return PredictResult(str(target.path), target.runtime, tuple(predictions))


def show(result: PredictResult) -> None:
    """Print a line per picture."""
    rows = [
        (prediction.image, *(f"{guess.label} {guess.probability:.1%}" for guess in prediction.guesses))
        for prediction in result.predictions
    ]
    others = tuple("then" for _ in rows[0][2:])
    print_table(f"{result.model} in {result.runtime}", ("picture", "answer", *others), rows)
