"""Calibration: the float model runs over images one by one, and each activation tensor's histogram looks on.

Memory does not grow with the number of images: nothing but the histograms outlives an image.
"""

from __future__ import annotations

import ctypes
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from edgekit.console import progress
from edgekit.data.intake import Feed, Intake
from edgekit.errors import DataError
from edgekit.graph.draft import Draft
from edgekit.quantization.histogram import Glance, Histogram

if TYPE_CHECKING:
    import onnxruntime
    from onnx import ModelProto

    from edgekit.data.dataset import Split

Reals = NDArray[np.float32]
Item = TypeVar("Item")
Result = TypeVar("Result")
AT_ONCE = min(2, os.cpu_count() or 1)
"""Images in a network at the same time. Each takes the memory of its activations."""
THREADS = max(1, (os.cpu_count() or 1) // AT_ONCE)

SMALL_SAMPLE = 64 * 64
"""Pixels, or values, of a sample that is small."""


class RealInputs:
    """The real inputs of the chosen samples of a split, an image [1, C, H, W] or others, made anew in every pass."""

    def __init__(self, split: Split, indices: NDArray[np.int64], intake: Intake) -> None:
        self.split, self.indices, self.intake = split, indices, intake

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[Feed]:
        for rows, _ in self.split.batches(1, self.indices):
            yield self.intake.feed(rows)

    def taken_by(self, intake: Intake) -> RealInputs:
        """The same samples as another intake feeds them."""
        return RealInputs(self.split, self.indices, intake)

    def first(self, count: int) -> RealInputs:
        """The first ``count`` of them."""
        return RealInputs(self.split, self.indices[:count], self.intake)

    def few(self, counts: tuple[int, int]) -> RealInputs:
        """The first of them: so many of usual size, or so many small ones, which say less each and cost less."""
        return self.first(counts[self.intake.size <= SMALL_SAMPLE])


def calibrate(model: ModelProto, tensors: Sequence[str], inputs: RealInputs) -> dict[str, Histogram]:
    """Run a prepared float model over real inputs and return the histogram of each of ``tensors``.

    Raises:
        DataError: there is not a single image.
        ModelError: a tensor takes values that are not finite.
    """
    require_images(inputs)
    histograms = {name: Histogram(name) for name in tensors}
    ends = input_names(model)
    inner = [name for name in tensors if name not in ends]
    session = open_session(with_outputs(model, inner), optimize=True)

    def glances(numbered: tuple[int, Feed]) -> dict[str, Glance]:
        turn, feed = numbered
        values = dict(zip(ends, feed, strict=True))
        if inner:
            values |= zip(inner, session.run(inner, values), strict=True)
        return {name: Glance.at(values[name], turn) for name in tensors}

    with progress("calibrating", len(inputs)) as bar:
        for done, seen in enumerate(ahead(glances, enumerate(inputs)), start=1):
            for name, histogram in histograms.items():
                histogram.update(seen[name])
            bar.update(done)
    return histograms


def require_images(inputs: RealInputs) -> None:
    """Raise DataError if there is nothing to calibrate on."""
    if len(inputs) == 0:
        raise DataError("There are no calibration images; give --data at least one, better a few hundred.")


def input_names(model: ModelProto) -> list[str]:
    """The inputs of a model, in the order of a feed."""
    return [value.name for value in model.graph.input]


def with_outputs(model: ModelProto, tensors: Sequence[str]) -> ModelProto:
    """A copy of the model whose outputs are exactly ``tensors``."""
    draft = Draft.from_model(model)
    draft.watch(tensors)
    return draft.to_model()


def outputs_of(model: ModelProto, feeds: Iterable[Feed], simulated: bool = False) -> Reals:
    """All outputs of a model for every feed, float32 [feeds, values].

    The integers of a QDQ graph are computed as such, or ``simulated``: see ``open_simulation``.
    """
    return answers_of(open_simulation(model) if simulated else open_session(model, optimize=True), feeds)


def answers_of(session: onnxruntime.InferenceSession, feeds: Iterable[Feed]) -> Reals:
    """All outputs of an open model for every feed, float32 [feeds, values]."""
    names = [value.name for value in session.get_inputs()]

    def row(feed: Feed) -> Reals:
        values = session.run(None, dict(zip(names, feed, strict=True)))
        return np.concatenate([value.reshape(-1) for value in values]).astype(np.float32)

    return np.stack(list(ahead(row, feeds)))


def ahead(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """The function of each item, in order; those of the next AT_ONCE are computed while the caller looks at one.

    ONNX Runtime and numpy share the processor so much better than by splitting each operator.
    """
    waiting: deque[Future[Result]] = deque()
    for item in items:
        waiting.append(_pool().submit(function, item))
        if len(waiting) > AT_ONCE:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


@cache
def _pool() -> ThreadPoolExecutor:
    """The same threads always: memory that one of them has freed is not reused by others."""
    return ThreadPoolExecutor(AT_ONCE)


def open_session(model: ModelProto, optimize: bool) -> onnxruntime.InferenceSession:
    """A session for a model that EdgeKit itself has written; unless ``optimize``, it runs as it is written."""
    from edgekit.runtimes.ort import open_graph

    give_back_memory()
    return open_graph(model.SerializeToString(), THREADS, optimize)


def open_simulation(model: ModelProto) -> onnxruntime.InferenceSession:
    """A session that computes in float between the roundings of a graph, and leaves those where they are written."""
    from edgekit.runtimes.ort import open_graph

    return open_graph(model.SerializeToString(), THREADS, as_simulated=True)


def give_back_memory() -> None:
    """Let glibc return what earlier sessions have freed: it would keep that, and the next peak stand on top of it."""
    with suppress(OSError, TypeError, AttributeError):  # another libc, or none with this function
        ctypes.CDLL(None).malloc_trim(0)
