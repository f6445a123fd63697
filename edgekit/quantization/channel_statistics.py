"""What each channel of each activation tensor takes for values: extremes and mean square, over calibration images.

The reductions run inside the graph, so that only a few numbers per channel leave it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgekit.data.intake import Feed
from edgekit.graph.draft import Draft
from edgekit.graph.messages import make_node, sizes_of, types_of
from edgekit.quantization.calibrate import ahead, input_names, open_session

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

    sizes, types = sizes_of(model.graph), types_of(model.graph)
    return {name: size for name, size in sizes.items() if types[name].elem_type == TensorProto.FLOAT and len(size) >= 2}


def channel_statistics(model: ModelProto, inputs: Iterable[Feed]) -> dict[str, Channels]:
    """Run a prepared float model over real inputs and watch every channel."""
    shapes = channelled(model)
    session = open_session(_with_reductions(model, shapes), optimize=True)
    names = input_names(model)
    low: dict[str, NDArray[np.float64]] = {}
    high: dict[str, NDArray[np.float64]] = {}
    power: dict[str, NDArray[np.float64]] = {}
    images = 0
    for results in ahead(lambda feed: session.run(None, dict(zip(names, feed, strict=True))), inputs):
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
    draft = Draft.from_model(model)
    axes = {}
    for rank in sorted({len(shape) for shape in shapes.values()}):
        others = np.asarray([axis for axis in range(rank) if axis != 1])
        axes[rank] = draft.add_constant(f"axes of rank {rank}", others)
    targets = []
    for tensor, shape in shapes.items():
        for kind, operator in _REDUCTIONS.items():
            targets.append(f"{tensor}/{kind}")
            draft.add(make_node(operator, [tensor, axes[len(shape)]], targets[-1:], keepdims=0))
    draft.watch(targets)
    return draft.to_model()
