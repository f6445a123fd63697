"""``edgekit compare``: do two files, or two runtimes with the same file, give the same answers?

Parity counts integers: on 8-bit outputs of the same scale, how many are equal and by how many steps the others
differ. Fidelity takes the first as the reference: signal to noise of the scores and agreement of the top answer.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.artifact import TensorSpec
from edgekit.console import print_facts, progress
from edgekit.data import open_data
from edgekit.data.dataset import Split
from edgekit.errors import DataError, ModelError
from edgekit.evaluation.classifier import Classifier, remark_on_input
from edgekit.evaluation.compare_noise import NoiseComparison, compare_noise, show_noise
from edgekit.evaluation.evaluate import image_batches
from edgekit.evaluation.input_options import InputOptions
from edgekit.evaluation.parity import Parity, parity_of
from edgekit.modelfiles.model_ref import find_models
from edgekit.tasks.quality import Reals, signal_to_noise_db

DEFAULT_IMAGES = 1000
SEED = 0
NOISE = "noise"
"""The data source that is no data."""
LISTED = 20


@dataclass(frozen=True)
class Side:
    """One of the two that are compared."""

    model: str
    runtime: str
    version: str
    output: TensorSpec


@dataclass(frozen=True)
class Comparison:
    """Two sides on the same images. ``parity`` is None unless both outputs lie on one 8-bit scale.

    ``sqnr_db`` is None where the scores are equal, or those of the reference all zero; ``disagreements`` are indices
    into the test split.
    """

    reference: Side
    other: Side
    data: str
    images: int
    agreement: float
    sqnr_db: float | None
    largest_error: float
    parity: Parity | None
    disagreements: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        document = asdict(self)
        if self.parity is not None:
            document["parity"] = self.parity.to_dict()
        return document


def compare_models(
    reference: str, other: str, source: str, images: int = DEFAULT_IMAGES, options: InputOptions | None = None
) -> Comparison | NoiseComparison:
    """Compare two image classifiers on the images of a data source, or any two models if the source is ``noise``.

    Raises:
        ModelError, DataError, UsageError, RuntimeCrashError: see ``compare`` and ``compare_noise``.
    """
    if source == NOISE:
        return compare_noise(find_models(reference)[0], find_models(other)[0], images)
    return compare(reference, other, source, images, options)


def compare(
    reference: str, other: str, source: str, images: int = DEFAULT_IMAGES, options: InputOptions | None = None
) -> Comparison:
    """Run two models, each ``MODEL`` or ``MODEL@RUNTIME``, on the same ``images`` test images at most (fixed seed).

    ``options`` say what the files do not say of their inputs, the same of both.

    Raises:
        ModelError: the models do not take the same images or do not give the same number of scores.
        DataError, UsageError, RuntimeCrashError: see ``Classifier`` and ``open_data``.
    """
    first, second = find_models(reference)[0], find_models(other)[0]
    with (
        Classifier(first.path, runtime=first.runtime, options=options) as a,
        Classifier(second.path, runtime=second.runtime, options=options) as b,
    ):
        for classifier in (a, b):
            remark_on_input(classifier)
        if a.contract.shape != b.contract.shape or a.classes != b.classes:
            raise ModelError(
                f"{a.path} maps {a.contract.shape} to {a.classes} scores, {b.path} {b.contract.shape} to {b.classes}; "
                "compare models of the same task."
            )
        data = open_data(source, a.contract)
        if len(data.test) == 0:
            raise DataError(f"{data.name} has no test images; choose data that have some.")
        chosen = data.test.sample(images, SEED)
        return compare_classifiers(a, b, data.test.take(chosen), data.name, chosen)


def compare_classifiers(
    a: Classifier, b: Classifier, split: Split, name: str, indices: NDArray[np.int64] | None = None
) -> Comparison:
    """Compare two open classifiers on a split; ``indices`` are what its images are called in the result."""
    pairs: list[tuple[Reals, Reals]] = []
    with progress("comparing", len(split)) as bar:
        for images in image_batches(split):
            pairs.append((a.scores(images), b.scores(images)))
            bar.update(sum(len(scores) for scores, _ in pairs))
    ours, theirs = (np.concatenate(column) for column in zip(*pairs, strict=True))
    differ = np.flatnonzero(ours.argmax(axis=1) != theirs.argmax(axis=1))
    sqnr = signal_to_noise_db(ours, theirs)
    return Comparison(
        reference=_side(a),
        other=_side(b),
        data=name,
        images=len(split),
        agreement=1 - len(differ) / len(split),
        sqnr_db=sqnr if math.isfinite(sqnr) else None,
        largest_error=float(np.abs(ours - theirs).max()),
        parity=parity_of(ours, theirs, a.output.scale, b.output.scale),
        disagreements=tuple(int(index) for index in (differ if indices is None else indices[differ])[:LISTED]),
    )


def show(result: Comparison | NoiseComparison) -> None:
    """Print a table of what was compared and found."""
    if isinstance(result, NoiseComparison):
        show_noise(result)
        return
    rows = [
        ("data", f"{result.data}, {result.images:,} test images"),
        ("reference", f"{result.reference.model} in {result.reference.runtime} {result.reference.version}"),
        ("other", f"{result.other.model} in {result.other.runtime} {result.other.version}"),
        ("same top answer", f"{result.agreement:.2%}"),
        ("signal to noise", _signal_text(result)),
        ("largest error", f"{result.largest_error:.6g}"),
    ]
    if result.parity is not None:
        rows += result.parity.rows(result.images)
    print_facts("comparison", rows)


def _signal_text(result: Comparison) -> str:
    if result.sqnr_db is not None:
        return f"{result.sqnr_db:.1f} dB"
    return "no signal" if result.largest_error else "equal"


def _side(classifier: Classifier) -> Side:
    session = classifier.session
    return Side(str(session.path), session.runtime, session.version, classifier.output)
