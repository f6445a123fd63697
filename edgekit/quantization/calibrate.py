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
from edgekit.errors import DataError
from edgekit.graph.draft import Draft
from edgekit.quantization.histogram import Glance, Histogram

if TYPE_CHECKING:
    import onnxruntime
    from onnx import ModelProto

    from edgekit.data.dataset import Split
    from edgekit.inputs.contract import InputContract

Reals = NDArray[np.float32]
Item = TypeVar("Item")
Result = TypeVar("Result")
AT_ONCE = min(2, os.cpu_count() or 1)
"""Images in a network at the same time. Each takes the memory of its activations."""
THREADS = max(1, (os.cpu_count() or 1) // AT_ONCE)


class RealInputs:
    """The real inputs [1, C, H, W] of the chosen images of a split, made anew in every pass over them."""

    def __init__(self, split: Split, indices: NDArray[np.int64], contract: InputContract) -> None:
        self.split, self.indices, self.contract = split, indices, contract

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[Reals]:
        for images, _ in self.split.batches(1, self.indices):
            # numpy goes through memory in its order: planes of channels are much faster than pixels of three values.
            planes = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
            yield np.ascontiguousarray(self.contract.real(planes.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2))

    def first(self, count: int) -> RealInputs:
        """The first ``count`` of them."""
        return RealInputs(self.split, self.indices[:count], self.contract)

    def parted(self, share: float) -> tuple[RealInputs, RealInputs]:
        """Every so-many-th image apart: (the others, a ``share`` of the images); one image serves as both."""
        held = np.zeros(len(self), bool)
        held[:: max(1, round(1 / share))] = True
        rest = self.indices[~held] if not held.all() else self.indices
        return RealInputs(self.split, rest, self.contract), RealInputs(self.split, self.indices[held], self.contract)


def calibrate(model: ModelProto, tensors: Sequence[str], inputs: RealInputs) -> dict[str, Histogram]:
    """Run a prepared float model over real inputs and return the histogram of each of ``tensors``.

    Raises:
        DataError: there is not a single image.
        ModelError: a tensor takes values that are not finite.
    """
    require_images(inputs)
    histograms = {name: Histogram(name) for name in tensors}
    graph_input = model.graph.input[0].name
    inner = [name for name in tensors if name != graph_input]
    session = open_session(with_outputs(model, inner), optimize=True)

    def glances(numbered: tuple[int, Reals]) -> dict[str, Glance]:
        turn, image = numbered
        values = dict(zip(inner, session.run(inner, {graph_input: image}), strict=True))
        return {name: Glance.at(value, turn) for name, value in {graph_input: image, **values}.items()}

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


def with_outputs(model: ModelProto, tensors: Sequence[str]) -> ModelProto:
    """A copy of the model whose outputs are exactly ``tensors``."""
    draft = Draft.from_model(model)
    draft.watch(tensors)
    return draft.to_model()


def outputs_of(model: ModelProto, images: Iterable[Reals], simulated: bool = False) -> Reals:
    """All outputs of a model of one input for every image, float32 [images, values].

    The integers of a QDQ graph are computed as such, or ``simulated``: see ``open_simulation``.
    """
    session = open_simulation(model) if simulated else open_session(model, optimize=True)
    name = model.graph.input[0].name

    def row(image: Reals) -> Reals:
        return np.concatenate([value.reshape(-1) for value in session.run(None, {name: image})]).astype(np.float32)

    return np.stack(list(ahead(row, images)))


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
