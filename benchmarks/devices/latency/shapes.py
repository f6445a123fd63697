"""Writing a network down as shapes only: each call appends a layer and returns what it makes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from edgekit.devices.latency.workload import Layer, Workload, convolution, dense


@dataclass(frozen=True)
class Map:
    """An activation: ``height`` × ``width`` positions of ``channels`` values."""

    height: int
    width: int
    channels: int

    @property
    def positions(self) -> int:
        """Height times width."""
        return self.height * self.width

    @property
    def size(self) -> int:
        """How many values it holds."""
        return self.positions * self.channels


@dataclass
class Shapes:
    """The layers so far. Activations are fused into the layer before them, as every runtime does."""

    layers: list[Layer] = field(default_factory=list)

    def workload(self, precision: str = "float32") -> Workload:
        """The network as a workload."""
        return Workload(precision, tuple(self.layers))

    def conv(self, x: Map, channels: int, window: int = 3, stride: int = 1, groups: int = 1, pad: str = "same") -> Map:
        """A convolution with a square window; ``pad`` is same or valid."""
        y = Map(_size(x.height, window, stride, pad), _size(x.width, window, stride, pad), channels)
        layer = convolution(y.positions, x.channels, channels, window * window, groups)
        self.layers.append(Layer(**{**vars(layer), "inputs": x.size}))
        return y

    def depthwise(self, x: Map, window: int = 3, stride: int = 1) -> Map:
        """One filter per channel."""
        return self.conv(x, x.channels, window, stride, x.channels)

    def separable(self, x: Map, channels: int, window: int = 3, stride: int = 1) -> Map:
        """A depthwise convolution, then a pointwise one."""
        return self.conv(self.depthwise(x, window, stride), channels, 1)

    def pool(self, x: Map, window: int, stride: int, pad: str = "same") -> Map:
        """The mean or maximum of each window."""
        y = Map(_size(x.height, window, stride, pad), _size(x.width, window, stride, pad), x.channels)
        self.layers.append(Layer("pool", y.size, x.size, patches=y.size * window * window, columns=y.channels))
        return y

    def mean(self, x: Map) -> Map:
        """The mean of each channel."""
        self.layers.append(Layer("pool", x.channels, x.size, patches=x.size, columns=x.channels))
        return Map(1, 1, x.channels)

    def dense(self, x: Map, outputs: int) -> Map:
        """A fully connected layer over all values."""
        self.layers.append(dense(x.size, outputs))
        return Map(1, 1, outputs)

    def add(self, *parts: Map) -> Map:
        """The sum (or product) of activations of one shape."""
        self.layers.append(
            Layer("elementwise", parts[0].size, sum(part.size for part in parts), columns=parts[0].channels)
        )
        return parts[0]

    def activation(self, x: Map) -> Map:
        """An activation that no layer fuses."""
        self.layers.append(Layer("activation", x.size, x.size, columns=x.channels))
        return x

    def concat(self, *parts: Map) -> Map:
        """Activations side by side along the channels."""
        y = Map(parts[0].height, parts[0].width, sum(part.channels for part in parts))
        self.layers.append(Layer("move", y.size, y.size, columns=y.channels))
        return y

    def move(self, x: Map, values: int | None = None) -> Map:
        """Values copied into another order or place."""
        count = x.size if values is None else values
        self.layers.append(Layer("move", count, count, columns=x.channels))
        return x

    def resize(self, x: Map, height: int, width: int) -> Map:
        """Another height and width by interpolation."""
        y = Map(height, width, x.channels)
        self.layers.append(Layer("move", y.size, x.size, columns=y.channels))
        return y

    def other(self, values: int) -> None:
        """A softmax, a sigmoid or the like over so many values."""
        self.layers.append(Layer("other", values, values, columns=values))

    def sort(self, values: int) -> None:
        """The sorting out of detections with so many scores in all."""
        self.layers.append(Layer("sort", values, values, columns=values))


def _size(size: int, window: int, stride: int, pad: str) -> int:
    return math.ceil(size / stride) if pad == "same" else (size - window) // stride + 1
