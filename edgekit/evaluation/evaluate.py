"""``edgekit evaluate``: how often model files are right on labelled images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.console import print_table, progress
from edgekit.data import open_data
from edgekit.data.dataset import Dataset, Images, Split
from edgekit.devices.device import open_device
from edgekit.errors import DataError
from edgekit.evaluation.classifier import Classifier, Scores, probabilities, remark_on_input
from edgekit.evaluation.device_session import DeviceSession
from edgekit.evaluation.input_options import InputOptions
from edgekit.evaluation.statistics import confusion, wilson_interval
from edgekit.inputs.contract import InputContract
from edgekit.modelfiles.model_ref import find_models

BATCH_BYTES = 2 << 20
DEVICE_BATCH_BYTES = 64 << 20
"""More at a time where each batch starts a process."""
WORST_MISTAKES = 24
SEED = 0


@dataclass(frozen=True)
class Mistake:
    """A wrong answer: the image's index in its split, and the probabilities that the model gave to guess and truth."""

    index: int
    label: int
    guess: int
    probability: float
    label_probability: float


@dataclass(frozen=True)
class Agreement:
    """Of ``images``, ``differing`` got other outputs on ``device`` than here, by at most ``difference`` as stored."""

    device: str
    provenance: str
    images: int
    differing: int
    difference: float


@dataclass(frozen=True)
class Evaluation:
    """What one file did on one split. Shares are in [0, 1]; ``mistakes`` are the most confident ones first.

    ``agreement`` is there if it ran on a device: how its outputs compare with this machine's.
    """

    model: str
    runtime: str
    version: str
    images: int
    correct: int
    accuracy: float
    interval: tuple[float, float]
    classes: tuple[str, ...]
    per_class: tuple[float | None, ...]
    confusion: tuple[tuple[int, ...], ...]
    mistakes: tuple[Mistake, ...]
    agreement: Agreement | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class EvaluateResult:
    """One Evaluation per model file, on the test split of ``data``."""

    data: str
    data_sha256: str
    evaluations: tuple[Evaluation, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "data": self.data,
            "data_sha256": self.data_sha256,
            "evaluations": [evaluation.to_dict() for evaluation in self.evaluations],
        }


def evaluate(
    models: Sequence[str],
    source: str,
    runtime: str | None = None,
    options: InputOptions | None = None,
    device: str = "cpu",
    images: int | None = None,
) -> EvaluateResult:
    """Measure models, each ``MODEL`` or ``MODEL@RUNTIME``, on the test split of a data source.

    ``options`` say what the files do not say of their input and classes. ``device`` is where they run: this machine, an
    emulated board, or ssh://user@host. ``images`` takes at most so many of the test images, drawn with a fixed seed.

    Raises:
        ModelError, DataError, UsageError, RuntimeCrashError: see ``Classifier`` and ``open_data``.
    """
    evaluations: list[Evaluation] = []
    opened: dict[InputContract, Dataset] = {}
    with ExitStack() as stack:
        place = None if device == "cpu" else stack.enter_context(closing(open_device(device)))
        for target in (target for model in models for target in find_models(model, runtime)):
            with Classifier(target.path, runtime=target.runtime, options=options, device=place) as classifier:
                remark_on_input(classifier)
                eats = classifier.contract.pictures
                data = opened[eats] = opened.get(eats) or open_data(source, eats)
                test = data.test if images is None else data.test.take(data.test.sample(images, SEED))
                evaluation = measure(classifier, test, class_names(classifier, data))
                evaluations.append(replace(evaluation, agreement=_agreement(classifier)))
    return EvaluateResult(data.name, data.sha256, tuple(evaluations))


def accuracy_of(
    path: Path, split: Split, contract: InputContract | None = None, runtime: str | None = None
) -> Evaluation:
    """Measure one model file on a labelled split.

    Args:
        path: an .onnx or .tflite file.
        split: uint8 images of the contract's shape, with labels.
        contract: how pixels become the file's input; None takes the file's own.
        runtime: its name; None chooses by the file's suffix.
    """
    with Classifier(path, contract, runtime) as classifier:
        return measure(classifier, split, classifier.metadata.labels)


def measure(classifier: Classifier, split: Split, classes: Sequence[str] = ()) -> Evaluation:
    """Measure an open classifier on a labelled split; ``classes`` are names for the report.

    Raises:
        DataError: the split has no images or no labels, or labels that the classifier has no score for.
    """
    labels = labels_for(classifier, split)
    scores = np.concatenate(list(all_scores(classifier, split)))
    guesses = scores.argmax(axis=1)
    counts = confusion(labels, guesses, classifier.classes)
    totals, hits = counts.sum(axis=1), counts.diagonal()
    correct = int(hits.sum())
    return Evaluation(
        model=str(classifier.path),
        runtime=classifier.session.runtime,
        version=classifier.session.version,
        images=len(labels),
        correct=correct,
        accuracy=correct / len(labels),
        interval=wilson_interval(correct, len(labels)),
        classes=tuple(classes) if len(classes) == classifier.classes else tuple(map(str, range(classifier.classes))),
        per_class=tuple(int(hit) / int(total) if total else None for hit, total in zip(hits, totals, strict=True)),
        confusion=tuple(tuple(int(count) for count in row) for row in counts),
        mistakes=_worst_mistakes(probabilities(scores, classifier.output), labels, guesses),
    )


def all_scores(classifier: Classifier, split: Split) -> Iterator[Scores]:
    """The classifier's scores over a split, batch by batch, with progress."""
    with progress(classifier.path.name, len(split)) as bar:
        done = 0
        size = DEVICE_BATCH_BYTES if isinstance(classifier.session, DeviceSession) else BATCH_BYTES
        for images in image_batches(split, size):
            yield classifier.scores(images)
            done += len(images)
            bar.update(done)


def image_batches(split: Split, size_bytes: int = BATCH_BYTES) -> Iterator[Images]:
    """The images of a split in batches of about ``size_bytes`` as float32, so that none takes long or much memory."""
    _, height, width, channels = split.images.shape
    size = max(1, size_bytes // (4 * height * width * channels))
    for images, _ in split.batches(size):
        yield images


def class_names(classifier: Classifier, data: Dataset) -> tuple[str, ...]:
    """The names of the classes that a file and a data source agree on; a source that only counts them agrees.

    Raises:
        DataError: they have different classes, or the same in another order.
    """
    labels = classifier.metadata.labels
    if len(labels) == len(data.classes) and data.classes == tuple(map(str, range(len(labels)))):
        return labels
    if labels and labels != data.classes:
        raise DataError(
            f"{classifier.path} knows the classes {_brief(labels)}, but {data.name} has {_brief(data.classes)}; "
            "choose the data that belong to the model."
        )
    return data.classes


def labels_for(classifier: Classifier, split: Split) -> NDArray[np.int64]:
    """The labels of a split, all of classes that the classifier has a score for.

    Raises:
        DataError: there are no images or no labels, or the classifier has too few scores.
    """
    if len(split) == 0:
        raise DataError("The evaluation split has no images; choose data with a test split.")
    if split.labels is None:
        raise DataError("The evaluation images have no labels; put them into one folder per class.")
    highest = int(split.labels.max())
    if highest >= classifier.classes:
        raise DataError(
            f"{classifier.path} gives {classifier.classes} scores, but the data have a class {highest}; "
            "choose the data that belong to the model."
        )
    return split.labels


def _agreement(classifier: Classifier) -> Agreement | None:
    session = classifier.session
    if not isinstance(session, DeviceSession):
        return None
    device = session.device
    return Agreement(device.name, device.provenance, session.compared, session.differing, session.difference)


def show(result: EvaluateResult) -> None:
    """Print a table of the evaluations."""
    rows = [
        (
            evaluation.model,
            evaluation.runtime,
            f"{evaluation.accuracy:.2%}",
            "{:.2%} to {:.2%}".format(*evaluation.interval),
            str(evaluation.images - evaluation.correct),
            _weakest_class(evaluation),
        )
        for evaluation in result.evaluations
    ]
    images = result.evaluations[0].images
    columns = ("model", "runtime", "accuracy", "95% interval", "wrong", "weakest class")
    print_table(f"{result.data}, {images:,} test images", columns, rows)
    for evaluation in result.evaluations:
        if agreement := evaluation.agreement:
            print(f"{evaluation.model} on {agreement.device} ({agreement.provenance}): {_compared(agreement)}")


def _compared(agreement: Agreement) -> str:
    if not agreement.differing:
        return f"outputs identical to this machine's on all {agreement.images:,} images"
    share = f"{agreement.differing:,} of {agreement.images:,} images"
    return f"outputs differ from this machine's on {share}, by at most {agreement.difference:g} as stored"


def _worst_mistakes(
    chances: NDArray[np.float64], labels: NDArray[np.int64], guesses: NDArray[np.int64]
) -> tuple[Mistake, ...]:
    wrong = np.flatnonzero(guesses != labels)
    order = np.argsort(-chances[wrong, guesses[wrong]], kind="stable")[:WORST_MISTAKES]
    return tuple(_mistake(int(row), int(labels[row]), int(guesses[row]), chances[row]) for row in wrong[order])


def _mistake(index: int, label: int, guess: int, chances: NDArray[np.float64]) -> Mistake:
    return Mistake(index, label, guess, round(float(chances[guess]), 4), round(float(chances[label]), 4))


def _weakest_class(evaluation: Evaluation) -> str:
    known = [
        (share, name) for share, name in zip(evaluation.per_class, evaluation.classes, strict=True) if share is not None
    ]
    share, name = min(known)
    return f"{name} ({share:.1%})"


def _brief(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f", ... ({len(names)})" if len(names) > 5 else "")
