"""Which channels of which tensors must be measured in one unit, if a graph is to compute what it did before.

A convolution may read and write each channel in any unit. A Relu, a pool or an addition hands units on; a concatenation
or padding of channels hands them on to other places; any other operator wants its values as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgekit.graph.families import Families
from edgekit.graph.messages import attributes, constants_of, sizes_of
from edgekit.operators import operators_that
from edgekit.operators.operator import Channels
from edgekit.quantization import channel_statistics
from edgekit.quantization.weighted_layers import weighted_layers

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

PROPORTIONAL = operators_that(lambda row: row.channels >= Channels.PROPORTIONAL)
"""Operators that give ``s`` times the result for ``s`` times a channel, if ``_channel_maps`` finds where each goes."""


@dataclass(frozen=True)
class ChannelTies:
    """``classes`` gives each channel of each tensor the class whose unit it shares.

    The logarithm of the factor of class k may be in [low[k], high[k]]: 0 to 0 where values must stay as they are.
    """

    classes: Mapping[str, NDArray[np.intp]]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @property
    def count(self) -> int:
        """The number of classes."""
        return len(self.low)


def tie_channels(model: ModelProto, channels: Mapping[str, channel_statistics.Channels]) -> ChannelTies:
    """Walk a prepared float graph; ``channels`` holds what calibration saw of each tensor."""
    return _Ties(model, channels).find()


class _Ties:
    def __init__(self, model: ModelProto, channels: Mapping[str, channel_statistics.Channels]) -> None:
        self.graph, self.channels = model.graph, channels
        self.constants = constants_of(model)
        self.layers = {layer.name for layer in weighted_layers(model)}
        self.shapes = sizes_of(model.graph)
        *firsts, total = accumulate((len(seen.low) for seen in channels.values()), initial=0)
        self.first = dict(zip(channels, firsts, strict=True))
        self.families = Families(range(total))
        self.frozen: set[str] = {value.name for value in (*model.graph.input, *model.graph.output)}
        self.clips: list[tuple[str, float]] = []

    def find(self) -> ChannelTies:
        for node in self.graph.node:
            if node.output[0] in self.layers and {node.input[0], node.output[0]} <= self.channels.keys():
                continue
            maps = self._channel_maps(node) if node.op_type in PROPORTIONAL else None
            if maps is None:
                self.frozen.update(name for name in (*node.input, *node.output) if name in self.channels)
                continue
            for source, taken, given in maps:
                for pair in zip(self._ids(source)[taken], self._ids(node.output[0])[given], strict=True):
                    self.families.join(*map(int, pair))
        roots = np.array([self.families.head(index) for index in self.families], np.intp)
        _, numbers = np.unique(roots, return_inverse=True)
        classes = {name: numbers[self._ids(name)] for name in self.channels}
        return ChannelTies(classes, *self._bounds(classes, int(numbers.max(initial=-1)) + 1))

    def _bounds(self, classes: Mapping[str, NDArray[np.intp]], count: int) -> tuple[Any, Any]:
        low, high = np.full(count, -np.inf), np.full(count, np.inf)
        for name, top in self.clips:
            room = np.log(np.maximum(top / np.maximum(self.channels[name].high, 1e-3 * top), 1.0))
            np.minimum.at(high, classes[name], room)
            np.maximum.at(low, classes[name], 0.0)
        for name in self.frozen & set(classes):
            low[classes[name]] = high[classes[name]] = 0.0
        return low, np.maximum(low, high)

    def _channel_maps(self, node: NodeProto) -> list[tuple[str, Any, Any]] | None:
        """(input, its channels, the output's channels that they become); None if the operator mixes or bends them."""
        target = node.output[0]
        sources = [name for name in node.input if name in self.channels]
        if target not in self.channels or not sources:
            return None
        size = len(self.channels[target].low)
        whole = np.arange(size)
        if not self._keeps_places(node, sources):
            return None
        match node.op_type:
            case "Clip":
                return [(sources[0], whole, whole)] if self._grows_only(node) else None
            case "Add" | "Sub" if any(name in self.constants for name in node.input):
                return None
            case "Concat" if attributes(node)["axis"] == 1:
                ends = np.cumsum([0, *(len(self.channels[name].low) for name in sources)])
                known = ends[-1] == size
                spans = zip(sources, ends[:-1], ends[1:], strict=True)
                return [(name, slice(None), np.arange(low, high)) for name, low, high in spans] if known else None
            case "Pad":
                return self._padded(node, sources[0], size)
            case "Slice" | "Resize" | "Concat" if len(self.channels[sources[0]].low) != size:
                return None
        fits = all(len(self.channels[name].low) == size for name in sources)
        return [(name, whole, whole) for name in sources] if fits else None

    def _keeps_places(self, node: NodeProto, sources: Sequence[str]) -> bool:
        """False where axis 1 of the output is, or may be, another one than that of an input."""
        shapes = [self.shapes[name] for name in (*sources, node.output[0])]
        match node.op_type:
            case "Reshape" | "Flatten" | "Squeeze":
                return bool(shapes[0][0] == shapes[1][0])
            case "ReduceMean" | "ReduceMax":
                return self._axes(node, 1).isdisjoint({0, 1, -len(shapes[0]), 1 - len(shapes[0])})
            case "Slice":
                return self._axes(node, 3).isdisjoint({1, 1 - len(shapes[0])})
            case _:
                return len({len(shape) for shape in shapes}) == 1

    def _axes(self, node: NodeProto, position: int) -> set[int]:
        """The axes that an operator works on, given as an input or an attribute; all of them if it does not say."""
        found = attributes(node).get("axes")
        if len(node.input) > position and node.input[position]:
            found = self.constants.get(node.input[position])
        return {0, 1} if found is None else {int(axis) for axis in found}

    def _padded(self, node: NodeProto, source: str, size: int) -> list[tuple[str, Any, Any]] | None:
        amounts = self.constants.get(node.input[1])
        value = self.constants.get(node.input[2]) if len(node.input) > 2 and node.input[2] else np.zeros(1)
        if amounts is None or value is None or value.any() or (len(node.input) > 3 and node.input[3]):
            return None
        count, before = len(self.channels[source].low), int(amounts[1])
        kept = before >= 0 and before + count <= size
        return [(source, slice(None), np.arange(before, before + count))] if kept else None

    def _grows_only(self, node: NodeProto) -> bool:
        """Notes a Clip from 0 to some height; any other clip is none that a unit could pass."""
        bounds = [self.constants.get(name) for name in node.input[1:3]]
        if len(bounds) < 2 or any(bound is None or bound.size != 1 for bound in bounds):
            return False
        low, high = (float(bound.item()) for bound in bounds if bound is not None)
        if low != 0 or high <= 0:
            return False
        self.clips.append((node.output[0], high))
        return True

    def _ids(self, name: str) -> NDArray[np.intp]:
        return np.arange(self.first[name], self.first[name] + len(self.channels[name].low))
