"""``edgekit compare``: do two files, or two runtimes with the same file, give the same answers?

Parity counts integers: on 8-bit outputs of the same scale, how many are equal and by how many steps the others
differ. Fidelity takes the first as the reference: signal to noise of the scores and agreement of the top answer.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgekit.artifact import TensorSpec
from edgekit.console import Part, Table, progress
from edgekit.data import Source, open_data
from edgekit.data.dataset import Split
from edgekit.errors import DataError, ModelError
from edgekit.evaluation.classifier import Classifier, remark_on_input
from edgekit.evaluation.compare_noise import NoiseComparison, compare_noise
from edgekit.evaluation.evaluate import image_batches
from edgekit.evaluation.input_options import InputOptions
from edgekit.evaluation.parity import Parity, parity_of
from edgekit.modelfiles.model_ref import find_models
from edgekit.options import SOURCES, Options, argument, group, option
from edgekit.result import Result
from edgekit.tasks.quality import Reals, signal_to_noise_db

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
class CompareOptions(Options):
    """Which two, and on what. Where fewer images are wanted, they are drawn with a fixed seed."""

    a: str = argument("The reference: MODEL or MODEL@RUNTIME.", metavar="A")
    b: str = argument("The other: MODEL or MODEL@RUNTIME.", metavar="B")
    data: Source = option(f"{SOURCES[:-1]}; or noise, for models of any inputs.", "mnist", metavar="SRC")
    images: int = option("At most so many test images.", 1000, least=1)
    input: InputOptions = group(InputOptions, without=("labels",))


@dataclass(frozen=True)
class Comparison(Result):
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

    def parts(self) -> Iterator[Part]:
        """What was compared and found."""
        rows = [
            ("data", f"{self.data}, {self.images:,} test images"),
            ("reference", f"{self.reference.model} in {self.reference.runtime} {self.reference.version}"),
            ("other", f"{self.other.model} in {self.other.runtime} {self.other.version}"),
            ("same top answer", f"{self.agreement:.2%}"),
            ("signal to noise", _signal_text(self)),
            ("largest error", f"{self.largest_error:.6g}"),
        ]
        if self.parity is not None:
            rows += self.parity.rows(self.images)
        yield Table("comparison", (), rows)


def compare(options: CompareOptions) -> Comparison | NoiseComparison:
    """Compare two image classifiers on the images of a data source, or any two models if the source is ``noise``.

    Raises:
        ModelError, DataError, UsageError, RuntimeCrashError: see ``compare_images`` and ``compare_noise``.
    """
    if options.data == NOISE:
        return compare_noise(find_models(options.a)[0], find_models(options.b)[0], options.images, options.input.shape)
    return compare_images(options)


def compare_images(options: CompareOptions) -> Comparison:
    """Run two image classifiers on the same test images.

    Raises:
        ModelError: the models do not take the same images or do not give the same number of scores.
        DataError, UsageError, RuntimeCrashError: see ``Classifier`` and ``open_data``.
    """
    first, second = find_models(options.a)[0], find_models(options.b)[0]
    with (
        Classifier(first.path, runtime=first.runtime, options=options.input) as a,
        Classifier(second.path, runtime=second.runtime, options=options.input) as b,
    ):
        for classifier in (a, b):
            remark_on_input(classifier)
        if a.contract.shape != b.contract.shape or a.classes != b.classes:
            raise ModelError(
                f"{a.path} maps {a.contract.shape} to {a.classes} scores, {b.path} {b.contract.shape} to {b.classes}; "
                "compare models of the same task."
            )
        data = open_data(options.data, a.contract)
        if len(data.test) == 0:
            raise DataError(f"{data.name} has no test images; choose data that have some.")
        chosen = data.test.sample(options.images, SEED)
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


def _signal_text(result: Comparison) -> str:
    if result.sqnr_db is not None:
        return f"{result.sqnr_db:.1f} dB"
    return "no signal" if result.largest_error else "equal"


def _side(classifier: Classifier) -> Side:
    session = classifier.session
    return Side(str(session.path), session.runtime, session.version, classifier.output)
