"""``edgekit compare``: do two files, or two runtimes with the same file, give the same answers?

They are compared on samples of a data source, classifiers by their answers too. On random inputs, where one takes
quantized inputs, both get values on its grid, so that no difference comes from the inputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.artifact import Array, TensorSpec
from edgekit.console import Part, Table, counted, progress
from edgekit.conversion.c.library import open_session
from edgekit.data import Source
from edgekit.data.intake import FIRST_TO_LAST, LAST_TO_FIRST, fits
from edgekit.data.reading import Reading
from edgekit.errors import ModelError, UsageError
from edgekit.evaluation.evaluate import image_batches
from edgekit.evaluation.fidelity import Fidelity
from edgekit.evaluation.input_options import InputOptions
from edgekit.evaluation.task_model import TaskModel, as_shaped, remark_on_input
from edgekit.modelfiles.golden import remark_on_example
from edgekit.modelfiles.model_ref import ModelRef, find_models
from edgekit.modelfiles.session import FileSession
from edgekit.options import SAMPLES, Options, argument, group, option
from edgekit.result import Result
from edgekit.runtimes.refusal import Refusal
from edgekit.runtimes.runtime import Shapes, fixed_sizes
from edgekit.tasks.classification import Classification

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
    data: Source = option(f"{SAMPLES[:-1]}; or noise, for models of any inputs.", "mnist", metavar="SRC")
    images: int = option("At most so many test images.", 1000, least=1)
    input: InputOptions = group(InputOptions, without=("labels",))
    reading: Reading = group(Reading)


@dataclass(frozen=True)
class Comparison(Result):
    """Two sides on the same images; ``disagreements`` are indices into the split."""

    reference: Side
    other: Side
    data: str
    images: int
    agreement: float
    fidelity: Fidelity
    disagreements: tuple[int, ...]
    kind: str = "images"
    split: str = "test"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        document = super().to_dict()
        fidelity: dict[str, Any] = document.pop("fidelity")
        return document | fidelity

    def parts(self) -> Iterator[Part]:
        """What was compared and found."""
        rows = [
            ("data", f"{self.data}, {counted(self.images, f'{self.split} {self.kind}')}"),
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
class OutputsComparison(Result):
    """Two files in their runtimes on the same ``inputs``: samples of ``data``, or random ones."""

    reference: str
    other: str
    data: str
    inputs: int
    outputs: tuple[OutputFidelity, ...]

    def parts(self) -> Iterator[Part]:
        """What was compared, and each output."""
        sides = [("reference", self.reference), ("other", self.other)]
        what = "random inputs" if self.data == NOISE else "samples"
        source = "" if self.data == NOISE else f" of {self.data}"
        yield Table(f"comparison on {counted(self.inputs, what)}{source}", (), sides)
        for output in self.outputs:
            yield Table(f"output {output.name} {'x'.join(map(str, output.shape))}", (), output.rows(self.inputs))


def compare(options: CompareOptions) -> Comparison | OutputsComparison:
    """Compare two models on the samples of a data source, or on random inputs if the source is ``noise``.

    Raises:
        ModelError, DataError, UsageError, RuntimeCrashError: see ``compare_samples`` and ``compare_noise``.
    """
    if isinstance(options.data, str) and options.data == NOISE:
        return compare_noise(find_models(options.a)[0], find_models(options.b)[0], options.images, options.input.shape)
    return compare_samples(options)


def compare_samples(options: CompareOptions) -> Comparison | OutputsComparison:
    """Run two models on the same samples (``Dataset.evaluation``): classifiers by their answers, others by each output.

    Raises:
        ModelError: the models do not take the same inputs, or do not give the same outputs.
        DataError, UsageError, RuntimeCrashError: see ``TaskModel`` and ``open_samples``.
    """
    one, two = find_models(options.a)[0], find_models(options.b)[0]
    with (
        TaskModel(one.path, runtime=one.runtime, options=options.input) as a,
        TaskModel(two.path, runtime=two.runtime, options=options.input) as b,
    ):
        for model in (a, b):
            remark_on_example(model.session)
        _check_alike(a.session, b.session, "inputs", a.session.inputs, b.session.inputs)
        _check_alike(a.session, b.session, "outputs", a.session.outputs, b.session.outputs)
        data = a.open_data(options.data, options.reading)
        for model in (a, b):
            remark_on_input(model, data)
        part, whole = data.evaluation
        chosen = whole.sample(options.images, SEED)
        split = whole.take(chosen)
        ours, theirs = [], []
        with progress("comparing", len(split)) as bar:
            for rows in image_batches(split):
                ours.append(a.reals(rows))
                theirs.append(b.reals(rows, a.session.outputs))
                bar.update(sum(len(reals[0]) for reals in ours))
        sides = (_side(a), _side(b))
        mine, real = (list(map(np.concatenate, zip(*batches, strict=True))) for batches in (ours, theirs))
        found = [
            Fidelity.of(first, second, first_spec.scale, second_spec.scale)
            for first, second, first_spec, second_spec in zip(
                mine, real, a.session.outputs, b.session.outputs, strict=True
            )
        ]
        if isinstance(a.task, Classification):
            differ = np.flatnonzero(mine[0].argmax(axis=1) != real[0].argmax(axis=1))
            agreement = 1 - len(differ) / len(split)
            disagreements = tuple(int(index) for index in chosen[differ][:LISTED])
            return Comparison(*sides, data.name, len(split), agreement, found[0], disagreements, data.kind, part)
        outputs = tuple(
            OutputFidelity(**vars(each), name=spec.name, shape=spec.shape)
            for each, spec in zip(found, a.session.outputs, strict=True)
        )
        return OutputsComparison(_title(a.session), _title(b.session), data.name, len(split), outputs)


def compare_noise(reference: ModelRef, other: ModelRef, inputs: int, shapes: Shapes | None = None) -> OutputsComparison:
    """Run two models on ``inputs`` random inputs (fixed seed); ``shapes`` are sizes that they leave open.

    Images may be channels first in one file and channels last in the other.

    Raises:
        ModelError: a file is broken, or their inputs or outputs do not correspond.
        RuntimeCrashError, UsageError: see ``open_session``.
    """
    generator = np.random.default_rng(SEED)
    pairs: list[list[tuple[Array, Array]]] = []
    with (
        open_session(reference.path, reference.runtime, threads=1, shapes=shapes) as a,
        open_session(other.path, other.runtime, threads=1, shapes=shapes) as b,
        progress("comparing", inputs) as bar,
    ):
        for session in (a, b):
            _check_sizes(session)
            remark_on_example(session)
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
        return OutputsComparison(_title(a), _title(b), NOISE, inputs, tuple(outputs))


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


def _title(session: FileSession) -> str:
    return f"{session.path} in {session.runtime} {session.version}"


def _side(model: TaskModel) -> Side:
    session = model.session
    return Side(str(session.path), session.runtime, session.version, session.outputs[0])
