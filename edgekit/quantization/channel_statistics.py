"""What each channel of each activation tensor takes for values: extremes and mean square, over calibration images.

The reductions run inside the graph, so that only a few numbers per channel leave it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgekit.quantization.calibrate import Reals, ahead, open_session

if TYPE_CHECKING:
    from onnx import ModelProto

_REDUCTIONS = {"low": "ReduceMin", "high": "ReduceMax", "power": "ReduceSumSquare"}


@dataclass(frozen=True)
class Channels:
    """Per channel (axis 1) of one tensor, float64 [C]: smallest and largest value seen, and mean of the squares."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    power: NDArray[np.float64]

    @property
    def spread(self) -> NDArray[np.float64]:
        """The width of the range that an asymmetric type must span for each channel; it includes zero."""
        return np.maximum(self.high, 0.0) - np.minimum(self.low, 0.0)


def channelled(model: ModelProto) -> dict[str, tuple[int, ...]]:
    """The shapes of the float activation tensors of rank 2 and more."""
    from onnx import TensorProto

    graph = model.graph
    described = {value.name: value.type.tensor_type for value in (*graph.input, *graph.value_info, *graph.output)}
    return {
        name: tuple(dim.dim_value for dim in tensor.shape.dim)
        for name, tensor in described.items()
        if tensor.elem_type == TensorProto.FLOAT and len(tensor.shape.dim) >= 2
    }


def channel_statistics(model: ModelProto, inputs: Iterable[Reals]) -> dict[str, Channels]:
    """Run a prepared float model of one input over real inputs [1, C, H, W] and watch every channel."""
    shapes = channelled(model)
    session = open_session(_with_reductions(model, shapes), optimize=True)
    name = model.graph.input[0].name
    low: dict[str, NDArray[np.float64]] = {}
    high: dict[str, NDArray[np.float64]] = {}
    power: dict[str, NDArray[np.float64]] = {}
    images = 0
    for results in ahead(lambda image: session.run(None, {name: image}), inputs):
        images += 1
        values = iter(results)
        for tensor, shape in shapes.items():
            smallest, largest, square = (next(values).astype(np.float64) for _ in _REDUCTIONS)
            low[tensor] = np.minimum(low.get(tensor, smallest), smallest)
            high[tensor] = np.maximum(high.get(tensor, largest), largest)
            power[tensor] = power.get(tensor, np.zeros_like(square)) + square * shape[1] / np.prod(shape)
    return {tensor: Channels(low[tensor], high[tensor], power[tensor] / images) for tensor in low}


def _with_reductions(model: ModelProto, shapes: Mapping[str, tuple[int, ...]]) -> ModelProto:
    """The model with the reductions of each tensor as its only outputs, in the order of ``shapes`` and _REDUCTIONS."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    graph = watched.graph
    del graph.output[:]
    by_input = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")) >= 18
    for tensor, shape in shapes.items():
        axes = [axis for axis in range(len(shape)) if axis != 1]
        for kind, operator in _REDUCTIONS.items():
            target = f"{tensor}/{kind}"
            node = helper.make_node(operator, [tensor], [target], keepdims=0)
            if by_input:
                node.input.append(f"axes of rank {len(shape)}")
            else:
                node.attribute.append(helper.make_attribute("axes", axes))
            graph.node.append(node)
            graph.output.append(helper.make_tensor_value_info(target, TensorProto.FLOAT, None))
    if by_input:
        for rank in {len(shape) for shape in shapes.values()}:
            axes = [axis for axis in range(rank) if axis != 1]
            graph.initializer.append(numpy_helper.from_array(np.asarray(axes, np.int64), f"axes of rank {rank}"))
    return watched
