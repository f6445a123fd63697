"""Calibration: the float model runs over images one by one, and each activation tensor's histogram looks on.

Memory does not grow with the number of images: nothing but the histograms outlives an image.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgekit.console import progress
from edgekit.errors import DataError
from edgekit.quantize.histogram import Histogram

if TYPE_CHECKING:
    import onnxruntime
    from onnx import ModelProto

    from edgekit.artifact import InputContract
    from edgekit.data.dataset import Split

Reals = NDArray[np.float32]


class RealInputs:
    """The real inputs [1, C, H, W] of the chosen images of a split, made anew in every pass over them."""

    def __init__(self, split: Split, indices: NDArray[np.int64], contract: InputContract) -> None:
        self.split, self.indices, self.contract = split, indices, contract

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[Reals]:
        for images, _ in self.split.batches(1, self.indices):
            yield np.ascontiguousarray(self.contract.real(images).transpose(0, 3, 1, 2))

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
    with progress("calibrating", len(inputs)) as bar:
        for done, image in enumerate(inputs, start=1):
            values = {graph_input: image, **dict(zip(inner, session.run(inner, {graph_input: image}), strict=True))}
            for name, histogram in histograms.items():
                histogram.update(values[name])
            bar.update(done)
    return histograms


def require_images(inputs: RealInputs) -> None:
    """Raise DataError if there is nothing to calibrate on."""
    if len(inputs) == 0:
        raise DataError("There are no calibration images; give --data at least one, better a few hundred.")


def with_outputs(model: ModelProto, tensors: Sequence[str]) -> ModelProto:
    """A copy of the model whose outputs are exactly ``tensors``."""
    import onnx

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.output[:]
    copy.graph.output.extend(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in tensors)
    return copy


def outputs_of(model: ModelProto, images: Iterable[Reals], optimize: bool = True) -> Reals:
    """All outputs of a model of one input for every image, float32 [images, values]; see ``open_session``."""
    session = open_session(model, optimize)
    name = model.graph.input[0].name
    rows = (session.run(None, {name: image}) for image in images)
    return np.stack([np.concatenate([value.reshape(-1) for value in row]).astype(np.float32) for row in rows])


def open_session(model: ModelProto, optimize: bool) -> onnxruntime.InferenceSession:
    """An ONNX Runtime session in this process for a model that EdgeKit itself has written, on all cores.

    Unless ``optimize``, the graph runs as it is written: quantization is simulated in float, operator by operator.
    """
    import onnxruntime

    from edgekit.runtimes.ort import EXACT_PRODUCTS

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.add_session_config_entry(*EXACT_PRODUCTS)
    level = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimize else level.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
