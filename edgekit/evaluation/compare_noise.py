"""Comparing two model files of any kind on random inputs: detectors, sound, several inputs and outputs.

Where a file takes quantized inputs, both get values on its grid, so that no difference comes from the inputs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgekit.artifact import Array, TensorSpec
from edgekit.console import Part, Table, progress
from edgekit.errors import ModelError, UsageError
from edgekit.evaluation.classifier import FIRST_TO_LAST, LAST_TO_FIRST, as_shaped, fits
from edgekit.evaluation.parity import Parity, parity_of
from edgekit.modelfiles.model_ref import ModelRef
from edgekit.modelfiles.session import FileSession
from edgekit.result import Result
from edgekit.runtimes.refusal import Refusal
from edgekit.runtimes.runtime import Shapes, fixed_sizes
from edgekit.tasks.quality import signal_to_noise_db

SEED = 0


@dataclass(frozen=True)
class OutputFidelity:
    """How near one output of the other file is to that of the reference; see ``Comparison`` for the figures."""

    name: str
    shape: tuple[int, ...]
    sqnr_db: float | None
    largest_error: float
    parity: Parity | None


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
            signal = "equal" if output.largest_error == 0 else "no signal"
            facts = [
                ("signal to noise", signal if output.sqnr_db is None else f"{output.sqnr_db:.1f} dB"),
                ("largest error", f"{output.largest_error:.6g}"),
            ]
            if output.parity is not None:
                facts += output.parity.rows(self.inputs)
            yield Table(f"output {output.name} {'x'.join(map(str, output.shape))}", (), facts)


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
    sqnr = signal_to_noise_db(mine, real)
    # A row for each input, or one for all where each makes as many values as its data say.
    count = len(pairs) if len({one.shape for one, _ in pairs}) == 1 else 1
    rows = mine.reshape(count, -1), real.reshape(count, -1)
    return OutputFidelity(
        name=ours.name,
        shape=tuple(values[0][0].shape),
        sqnr_db=sqnr if math.isfinite(sqnr) else None,
        largest_error=float(np.abs(mine - real).max(initial=0.0)),
        parity=parity_of(*rows, ours.scale, theirs.scale),
    )


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
