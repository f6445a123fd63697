"""``edgekit compare``: do two files, or two runtimes with the same file, give the same answers?

Image classifiers are compared on images. Files of any kind are compared on random inputs: where one takes quantized
inputs, both get values on its grid, so that no difference comes from the inputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.artifact import Array, TensorSpec
from edgekit.console import Part, Table, progress
from edgekit.data import Source, open_data
from edgekit.data.reading import Reading
from edgekit.errors import DataError, ModelError, UsageError
from edgekit.evaluation.classifier import FIRST_TO_LAST, LAST_TO_FIRST, Classifier, as_shaped, fits, remark_on_input
from edgekit.evaluation.evaluate import image_batches
from edgekit.evaluation.fidelity import Fidelity
from edgekit.evaluation.input_options import InputOptions
from edgekit.modelfiles.model_ref import ModelRef, find_models
from edgekit.modelfiles.session import FileSession
from edgekit.options import SOURCES, Options, argument, group, option
from edgekit.result import Result
from edgekit.runtimes.refusal import Refusal
from edgekit.runtimes.runtime import Shapes, fixed_sizes

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
    reading: Reading = group(Reading)


@dataclass(frozen=True)
class Comparison(Result):
    """Two sides on the same images; ``disagreements`` are indices into the test split."""

    reference: Side
    other: Side
    data: str
    images: int
    agreement: float
    fidelity: Fidelity
    disagreements: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        document = super().to_dict()
        fidelity: dict[str, Any] = document.pop("fidelity")
        return document | fidelity

    def parts(self) -> Iterator[Part]:
        """What was compared and found."""
        rows = [
            ("data", f"{self.data}, {self.images:,} test images"),
            ("reference", f"{self.reference.model} in {self.reference.runtime} {self.reference.version}"),
            ("other", f"{self.other.model} in {self.other.runtime} {self.other.version}"),
            ("same top answer", f"{self.agreement:.2%}"),
        ]
        yield Table("comparison", (), rows + self.fidelity.rows(self.images))


@dataclass(frozen=True)
class OutputFidelity(Fidelity):
    """The fidelity of one output."""

    name: str = ""
    shape: tuple[int, ...] = ()


@dataclass(frozen=True)
class NoiseComparison(Result):
    """Two files in their runtimes on the same ``inputs`` random inputs."""

    reference: str
    other: str
    inputs: int
    outputs: tuple[OutputFidelity, ...]

    def parts(self) -> Iterator[Part]:
        """What was compared, and each output."""
        sides = [("reference", self.reference), ("other", self.other)]
        yield Table(f"comparison on {self.inputs:,} random inputs", (), sides)
        for output in self.outputs:
            yield Table(f"output {output.name} {'x'.join(map(str, output.shape))}", (), output.rows(self.inputs))


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
        data = open_data(options.data, a.contract, options.reading)
        if len(data.test) == 0:
            raise DataError(f"{data.name} has no test images; choose data that have some.")
        chosen = data.test.sample(options.images, SEED)
        split = data.test.take(chosen)
        ours, theirs = [], []
        with progress("comparing", len(split)) as bar:
            for images in image_batches(split):
                ours.append(a.scores(images))
                theirs.append(b.scores(images))
                bar.update(sum(map(len, ours)))
        mine, real = np.concatenate(ours), np.concatenate(theirs)
        differ = np.flatnonzero(mine.argmax(axis=1) != real.argmax(axis=1))
        return Comparison(
            reference=_side(a),
            other=_side(b),
            data=data.name,
            images=len(split),
            agreement=1 - len(differ) / len(split),
            fidelity=Fidelity.of(mine, real, a.output.scale, b.output.scale),
            disagreements=tuple(int(index) for index in chosen[differ][:LISTED]),
        )


def compare_noise(reference: ModelRef, other: ModelRef, inputs: int, shapes: Shapes | None = None) -> NoiseComparison:
    """Run two models on ``inputs`` random inputs (fixed seed); ``shapes`` are sizes that they leave open.

    Images may be channels first in one file and channels last in the other.

    Raises:
        ModelError: a file is broken, or their inputs or outputs do not correspond.
        RuntimeCrashError, UsageError: see ``FileSession``.
    """
    generator = np.random.default_rng(SEED)
    pairs: list[list[tuple[Array, Array]]] = []
    with (
        FileSession(reference.path, reference.runtime, threads=1, shapes=shapes) as a,
        FileSession(other.path, other.runtime, threads=1, shapes=shapes) as b,
        progress("comparing", inputs) as bar,
    ):
        for session in (a, b):
            _check_sizes(session)
        _check_alike(a, b, "inputs", a.inputs, b.inputs)
        _check_alike(a, b, "outputs", a.outputs, b.outputs)
        for count in range(inputs):
            real = [_random(ours, theirs, generator) for ours, theirs in zip(a.inputs, b.inputs, strict=True)]
            mine = a.run([spec.quantize(value) for spec, value in zip(a.inputs, real, strict=True)])
            fed = [
                np.ascontiguousarray(spec.quantize(as_shaped(value, spec)))
                for spec, value in zip(b.inputs, real, strict=True)
            ]
            pairs.append(list(zip(mine, b.run(fed), strict=True)))
            bar.update(count + 1)
        outputs = [
            _fidelity(*specs, [row[index] for row in pairs])
            for index, specs in enumerate(zip(a.outputs, b.outputs, strict=True))
        ]
        names = [f"{session.path} in {session.runtime} {session.version}" for session in (a, b)]
    return NoiseComparison(names[0], names[1], inputs, tuple(outputs))


def _random(ours: TensorSpec, theirs: TensorSpec, generator: np.random.Generator) -> NDArray[np.float32]:
    """Real values in the reference's order of axes: any of a quantized side's, or standard normal ones."""
    shape = [max(size, 1) for size in ours.shape]
    grid = ours if ours.scale is not None else theirs
    if grid.scale is None:
        return generator.standard_normal(shape, np.float32)
    limits = np.iinfo(grid.dtype)
    return grid.dequantize(generator.integers(limits.min, limits.max, shape, endpoint=True))


def _fidelity(ours: TensorSpec, theirs: TensorSpec, values: Sequence[tuple[Array, Array]]) -> OutputFidelity:
    pairs = [(ours.dequantize(one), as_shaped(theirs.dequantize(two), ours)) for one, two in values]
    if any(one.shape != two.shape for one, two in pairs):
        raise ModelError(
            f"The two give different numbers of values as '{ours.name}', as the data make them; compare files that end "
            "before it."
        )
    mine, real = (np.concatenate([value.ravel() for value in side]) for side in zip(*pairs, strict=True))
    if not (np.isfinite(mine).all() and np.isfinite(real).all()):
        raise ModelError(f"The output '{ours.name}' is not finite on random inputs; compare on real ones with --data.")
    # A row for each input, or one for all where each makes as many values as its data say.
    count = len(pairs) if len({one.shape for one, _ in pairs}) == 1 else 1
    found = Fidelity.of(mine.reshape(count, -1), real.reshape(count, -1), ours.scale, theirs.scale)
    return OutputFidelity(**vars(found), name=ours.name, shape=tuple(values[0][0].shape))


def _check_sizes(session: FileSession) -> None:
    try:
        for spec in session.inputs:
            fixed_sizes(spec.name, spec.shape, str(session.path))
    except Refusal as exc:
        raise UsageError(f"{exc}.") from exc


def _check_alike(
    a: FileSession, b: FileSession, what: str, ours: Sequence[TensorSpec], theirs: Sequence[TensorSpec]
) -> None:
    shapes = [", ".join(str(spec.shape) for spec in specs) for specs in (ours, theirs)]
    if len(ours) == len(theirs) and all(_alike(*pair) for pair in zip(ours, theirs, strict=True)):
        return
    raise ModelError(f"{a.path} has the {what} {shapes[0]}, {b.path} {shapes[1]}; compare models of the same task.")


def _alike(ours: TensorSpec, theirs: TensorSpec) -> bool:
    shapes = [ours.shape]
    if len(ours.shape) == len(LAST_TO_FIRST):
        shapes += [tuple(ours.shape[axis] for axis in axes) for axes in (LAST_TO_FIRST, FIRST_TO_LAST)]
    return any(fits(shape, theirs.shape) for shape in shapes)


def _side(classifier: Classifier) -> Side:
    session = classifier.session
    return Side(str(session.path), session.runtime, session.version, classifier.output)
