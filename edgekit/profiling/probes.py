"""Small networks that span the operators, to be measured on a device: most alike real ones, some of one kind of layer.

Weights are random, shapes are drawn from a fixed seed, so every device is calibrated with the same networks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

OPSET = 17
IR_VERSION = 10
SEED = 5
RANDOM_PROBES = 80
SIDES = (24, 32, 49, 64, 96, 112, 128, 160, 192, 224, 320)
LIMIT_MACS = 800e6
SINGLE: dict[str, tuple[tuple[int, int], ...]] = {
    "pointwise": ((112, 64), (96, 16), (48, 32), (28, 96), (14, 64), (14, 256), (7, 512), (5, 32), (56, 18), (14, 90)),
    "conv": ((112, 32), (64, 8), (48, 24), (28, 32), (14, 96), (7, 192), (10, 16), (56, 18), (20, 66)),
    "stem": ((224, 3), (96, 3), (48, 3), (160, 1), (49, 1), (28, 1)),
    "depthwise": (
        (112, 96),
        (96, 16),
        (48, 48),
        (28, 128),
        (14, 256),
        (7, 512),
        (12, 24),
        (28, 18),
        (14, 90),
        (7, 302),
    ),
    "dense": ((1, 32), (1, 64), (1, 128), (1, 192), (1, 256), (1, 384), (1, 512), (1, 1024)),
    "add": ((56, 32), (14, 64), (7, 16)),
    "pool": ((64, 32), (56, 24), (20, 64), (15, 16)),
    "concat": ((40, 32), (28, 24), (14, 64), (7, 16)),
    "softmax": ((40, 16), (10, 24)),
    "sigmoid": ((56, 24), (10, 24)),
}
"""Kind → (side, channels) of the networks of that kind of layer alone."""


@dataclass(frozen=True)
class Tensor:
    """A named activation [1, channels, side, side]."""

    name: str
    channels: int
    side: int


@dataclass
class Probe:
    """A float ONNX network under construction; each call appends a layer and returns what it makes."""

    rng: np.random.Generator
    side: int
    channels: int
    nodes: list[NodeProto] = field(default_factory=list)
    constants: dict[str, np.ndarray[Any, Any]] = field(default_factory=dict)
    macs: float = 0.0

    @property
    def input(self) -> Tensor:
        """What the network is given."""
        return Tensor("input", self.channels, self.side)

    def conv(self, x: Tensor, channels: int, window: int = 3, stride: int = 1, groups: int = 1) -> Tensor:
        """A convolution with zero padding that keeps the side, and ReLU6 behind it."""
        shape = (channels, x.channels // groups, window, window)
        pad = window // 2
        side = (x.side + 2 * pad - window) // stride + 1
        windows: dict[str, Any] = {"kernel_shape": [window] * 2, "strides": [stride] * 2, "pads": [pad] * 4}
        names = [x.name, self._weights(shape), self._bias(channels)]
        made = self._add("Conv", names, channels, side, group=groups, **windows)
        self.macs += side * side * float(np.prod(shape))
        return self._add("Relu", [made.name], channels, side)

    def depthwise(self, x: Tensor, window: int = 3, stride: int = 1) -> Tensor:
        """One filter per channel."""
        return self.conv(x, x.channels, window, stride, x.channels)

    def add(self, x: Tensor, y: Tensor) -> Tensor:
        """The sum of two activations of one shape."""
        return self._add("Add", [x.name, y.name], x.channels, x.side)

    def concat(self, *parts: Tensor) -> Tensor:
        """Activations side by side along the channels."""
        return self._add("Concat", [x.name for x in parts], sum(x.channels for x in parts), parts[0].side, axis=1)

    def pool(self, x: Tensor, window: int = 2, stride: int = 2, kind: str = "MaxPool") -> Tensor:
        """The largest or mean value of each window."""
        side = (x.side - window) // stride + 1
        return self._add(kind, [x.name], x.channels, side, kernel_shape=[window] * 2, strides=[stride] * 2)

    def mean(self, x: Tensor) -> Tensor:
        """The mean of each channel."""
        return self._add("GlobalAveragePool", [x.name], x.channels, 1)

    def dense(self, x: Tensor, outputs: int, relu: bool = False) -> Tensor:
        """A fully connected layer over all values."""
        size = x.channels * x.side**2
        flat = self._add("Flatten", [x.name], size, 1) if not x.name.startswith("Gemm") else x
        names = [flat.name, self._weights((outputs, size)), self._bias(outputs)]
        made = self._add("Gemm", names, outputs, 1, transB=1)
        self.macs += size * outputs
        return self._add("Relu", [made.name], outputs, 1, stem="Gemm_relu") if relu else made

    def half(self, x: Tensor, second: bool) -> Tensor:
        """The first or the second half of the channels."""
        middle = x.channels // 2
        ends = [self._constant(np.array([end])) for end in ((middle, x.channels, 1) if second else (0, middle, 1))]
        return self._add("Slice", [x.name, *ends], middle, x.side)

    def shuffle(self, x: Tensor) -> Tensor:
        """The channels of both halves in turn."""
        apart, together = (
            self._constant(np.array([1, *channels, x.side, x.side]))
            for channels in ((2, x.channels // 2), (x.channels,))
        )
        y = self._add("Reshape", [x.name, apart], x.channels, x.side)
        y = self._add("Transpose", [y.name], x.channels, x.side, perm=(0, 2, 1, 3, 4))
        return self._add("Reshape", [y.name, together], x.channels, x.side)

    def enlarge(self, x: Tensor) -> Tensor:
        """Twice the side, each value four times."""
        scales = self._constant(np.array([1, 1, 2, 2], np.float32))
        ways = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return self._add("Resize", [x.name, "", scales], x.channels, 2 * x.side, mode="nearest", **ways)

    def places(self, *maps: Tensor) -> Tensor:
        """Each place of each map a row of its channels, [1, rows, channels] (``side`` of the result is the rows)."""
        rows = []
        for x in maps:
            shape = self._constant(np.array([1, x.side**2, x.channels]))
            last = self._add("Transpose", [x.name], x.channels, x.side, perm=(0, 2, 3, 1))
            rows.append(self._add("Reshape", [last.name, shape], x.channels, x.side**2))
        return self._add("Concat", [x.name for x in rows], maps[0].channels, sum(x.side for x in rows), axis=1)

    def softmax(self, x: Tensor, axis: int = 1) -> Tensor:
        """Exponentials over their sum."""
        return self._add("Softmax", [x.name], x.channels, x.side, axis=axis)

    def sigmoid(self, x: Tensor) -> Tensor:
        """Each value between 0 and 1."""
        return self._add("Sigmoid", [x.name], x.channels, x.side)

    def model(self, result: Tensor) -> ModelProto:
        """The finished network."""
        from onnx import TensorProto, helper, numpy_helper, shape_inference

        shape = [1, self.channels, self.side, self.side]
        graph = helper.make_graph(
            self.nodes,
            "probe",
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(result.name, TensorProto.FLOAT, None)],
            [numpy_helper.from_array(value, name) for name, value in self.constants.items()],
        )
        opset = [helper.make_opsetid("", OPSET)]
        return shape_inference.infer_shapes(helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION))

    def _add(self, kind: str, inputs: list[str], channels: int, side: int, stem: str = "", **options: Any) -> Tensor:
        from onnx import helper

        name = f"{stem or kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name, **options))
        return Tensor(name, channels, side)

    def _weights(self, shape: tuple[int, ...]) -> str:
        scale = np.sqrt(2 / np.prod(shape[1:]))
        return self._constant(self.rng.standard_normal(shape, np.float32) * np.float32(scale))

    def _bias(self, count: int) -> str:
        return self._constant(self.rng.standard_normal(count).astype(np.float32) / 10)

    def _constant(self, value: np.ndarray[Any, Any]) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants[name] = value
        return name


def probe_models() -> Iterator[tuple[str, ModelProto]]:
    """All probes, in a fixed order: ``kind-…`` are of one kind of layer, ``net-…`` are like real networks."""
    for kind, sizes in SINGLE.items():
        for side, channels in sizes:
            probe = Probe(np.random.default_rng(SEED), side, channels)
            yield f"kind-{kind}-{side}-{channels}", probe.model(_chain(probe, kind))
    rng = np.random.default_rng(SEED)
    made = 0
    while made < RANDOM_PROBES:
        style = STYLES[made % len(STYLES)]
        probe = Probe(rng, int(rng.choice(SIDES)), int(rng.choice((1, 3, 3, 3))))
        result = style(probe)
        if probe.macs <= LIMIT_MACS:
            yield f"net-{made}-{style.__name__.strip('_')}", probe.model(result)
            made += 1


def _chain(probe: Probe, kind: str) -> Tensor:
    """Several layers of one kind on the same shape."""
    x = probe.input
    for number in range(6):
        if kind == "pointwise":
            x = probe.conv(x, x.channels, 1)
        elif kind == "conv":
            x = probe.conv(x, x.channels)
        elif kind == "stem":
            x = probe.conv(x, 16, 5 if number else 3) if number % 2 == 0 else probe.conv(x, probe.channels, 1)
        elif kind == "depthwise":
            x = probe.depthwise(x, 5 if number == 5 else 3)
        elif kind == "dense":
            x = probe.dense(x, probe.channels, relu=True)
        elif kind == "add":
            x = probe.add(x, probe.input if number else probe.depthwise(x))
        elif kind == "pool":
            x = probe.pool(x, 3, 1, "MaxPool" if number % 2 else "AveragePool")
        elif kind == "concat":
            x = probe.concat(x, probe.input) if number < 4 else x
        elif kind == "softmax":
            x = x if number else probe.softmax(probe.places(x), axis=2)
        elif kind == "sigmoid":
            x = probe.sigmoid(x) if number < 2 else x
    return x


def _stem(probe: Probe, width: int) -> Tensor:
    return probe.conv(probe.input, width, int(probe.rng.choice((3, 3, 5))), 2 if probe.side >= 64 else 1)


def _head(probe: Probe, x: Tensor) -> Tensor:
    classes = int(probe.rng.choice((2, 10, 100, 1000)))
    return probe.softmax(probe.dense(probe.mean(x), classes))


def _plain(probe: Probe) -> Tensor:
    """3×3 convolutions and pooling."""
    x = _stem(probe, int(probe.rng.choice((8, 16, 32))))
    for _ in range(int(probe.rng.integers(2, 5))):
        for _ in range(int(probe.rng.integers(1, 3))):
            x = probe.conv(x, min(256, int(x.channels * probe.rng.choice((1, 1.5, 2)))))
        if x.side >= 8:
            x = probe.pool(x)
    if x.side <= 8 and probe.rng.random() < 0.5:
        return probe.softmax(probe.dense(probe.dense(x, 64, relu=True), 10))
    return _head(probe, x)


def _separable(probe: Probe) -> Tensor:
    """Depthwise and pointwise convolutions in turn, like MobileNet v1."""
    x = _stem(probe, int(probe.rng.choice((8, 16, 24, 32))))
    for _ in range(int(probe.rng.integers(4, 13))):
        stride = 2 if x.side >= 8 and probe.rng.random() < 0.35 else 1
        channels = min(1024, x.channels * 2 if stride == 2 else x.channels)
        x = probe.conv(probe.depthwise(x, 3, stride), channels, 1)
    return _head(probe, x)


def _inverted(probe: Probe) -> Tensor:
    """Inverted residual blocks, like MobileNet v2."""
    x = _stem(probe, int(probe.rng.choice((8, 16, 32))))
    for _ in range(int(probe.rng.integers(3, 11))):
        stride = 2 if x.side >= 8 and probe.rng.random() < 0.35 else 1
        channels = min(192, x.channels + 8 * int(probe.rng.integers(0, 3)) if stride == 1 else int(x.channels * 1.5))
        y = probe.conv(x, x.channels * int(probe.rng.choice((3, 6))), 1)
        y = probe.conv(probe.depthwise(y, int(probe.rng.choice((3, 3, 5))), stride), channels, 1)
        x = probe.add(x, y) if (y.channels, y.side) == (x.channels, x.side) else y
    return _head(probe, x)


def _residual(probe: Probe) -> Tensor:
    """Two convolutions and a shortcut, like ResNet."""
    x = _stem(probe, int(probe.rng.choice((8, 16, 32))))
    for stage in range(int(probe.rng.integers(2, 5))):
        stride = 2 if stage and x.side >= 8 else 1
        channels = x.channels * stride
        for _ in range(int(probe.rng.integers(1, 3))):
            y = probe.conv(probe.conv(x, channels, 3, stride), channels)
            x = probe.add(probe.conv(x, channels, 1, stride) if stride == 2 else x, y)
            stride = 1
    return _head(probe, x)


def _fire(probe: Probe) -> Tensor:
    """Squeezed and expanded channels side by side, like SqueezeNet."""
    x = _stem(probe, int(probe.rng.choice((16, 32, 64))))
    for _ in range(int(probe.rng.integers(2, 7))):
        squeezed = probe.conv(x, max(8, x.channels // 4), 1)
        width = min(256, int(x.channels * probe.rng.choice((0.5, 0.75))))
        x = probe.concat(probe.conv(squeezed, width, 1), probe.conv(squeezed, width))
        if x.side >= 8 and probe.rng.random() < 0.4:
            x = probe.pool(x)
    return _head(probe, x)


def _mixed(probe: Probe) -> Tensor:
    """Wide depthwise layers, few channels, odd sizes: what detectors and sound models are made of."""
    x = _stem(probe, int(probe.rng.choice((12, 20, 40, 64))))
    for _ in range(int(probe.rng.integers(2, 7))):
        kind = int(probe.rng.integers(0, 4))
        if kind == 0:
            x = probe.conv(probe.depthwise(x), x.channels, 1)
        elif kind == 1:
            x = probe.conv(x, min(200, x.channels + 12), 1)
        elif kind == 2 and x.side >= 8:
            x = probe.conv(x, min(160, x.channels), 3, 2)
        else:
            x = probe.add(x, probe.conv(x, x.channels))
    return probe.softmax(probe.places(probe.conv(x, int(probe.rng.choice((4, 16, 30))), 1)), axis=2)


def _shuffled(probe: Probe) -> Tensor:
    """Half of the channels go on, the other half through a block, like ShuffleNet v2."""
    x = _stem(probe, int(probe.rng.choice((16, 24, 32))))
    x = probe.pool(x) if x.side >= 32 else x
    for _ in range(int(probe.rng.integers(3, 11))):
        if x.side >= 8 and probe.rng.random() < 0.3:
            width = min(256, x.channels)
            parts = probe.conv(probe.depthwise(x, 3, 2), width, 1), probe.conv(probe.depthwise(x, 5, 2), width, 1)
        else:
            y = probe.half(x, second=True)
            y = probe.conv(probe.depthwise(probe.conv(y, y.channels, 1)), y.channels, 1)
            parts = probe.half(x, second=False), y
        x = probe.shuffle(probe.concat(*parts))
    return _head(probe, x)


def _pyramid(probe: Probe) -> Tensor:
    """Maps of several sizes, those above added to those below, and each place of them judged, like a detector."""
    x = _stem(probe, int(probe.rng.choice((8, 16, 24))))
    width, maps = int(probe.rng.choice((32, 48, 64))), []
    for _ in range(int(probe.rng.integers(2, 5))):
        x = probe.conv(probe.depthwise(x), min(256, 2 * x.channels), 1)
        x = probe.conv(probe.depthwise(x, 3, 2), x.channels, 1)
        maps.append(x)
    maps = [probe.conv(x, width, 1) for x in maps]
    for number in range(len(maps) - 1, 0, -1):
        above = probe.enlarge(maps[number])
        if above.side == maps[number - 1].side:
            maps[number - 1] = probe.add(maps[number - 1], above)
    values = int(probe.rng.choice((4, 12, 24)))
    judged = [probe.conv(probe.depthwise(x), values, 1) for x in maps]
    return probe.places(*judged)


def _perceptron(probe: Probe) -> Tensor:
    """Fully connected layers only."""
    x = probe.mean(_stem(probe, 8)) if probe.side > 64 else probe.input
    for _ in range(int(probe.rng.integers(2, 9))):
        x = probe.dense(x, int(probe.rng.choice((8, 32, 64, 128, 256, 640))), relu=True)
    return probe.dense(x, 10)


STYLES = (
    *(_plain, _separable, _inverted, _residual, _fire, _mixed),
    *(_shuffled, _pyramid, _separable, _perceptron),
)
