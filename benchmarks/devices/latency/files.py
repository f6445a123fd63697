"""Networks of ``rebuild`` as files: the same calls that append a layer's shape also write it down as ONNX."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from latency.rebuild import describe
from latency.shapes import Map, Shapes

from edgekit.profiling.probes import IR_VERSION, OPSET, SEED

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto


@dataclass(frozen=True)
class Named(Map):
    """An activation with its name in the graph; two of one size are equal, as where a shortcut may be added."""

    name: str = field(compare=False)


@dataclass
class Written(Shapes):
    """Shapes that are written down; what MobileNet is made of, no more. The first convolution reads the picture."""

    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(SEED))
    nodes: list[NodeProto] = field(default_factory=list)
    constants: dict[str, np.ndarray[Any, Any]] = field(default_factory=dict)
    picture: Map | None = None

    def conv(self, x: Map, channels: int, window: int = 3, stride: int = 1, groups: int = 1, pad: str = "same") -> Map:
        """A convolution and the ReLU that runtimes fuse."""
        y = super().conv(x, channels, window, stride, groups, pad)
        sizes = ((x.height, y.height), (x.width, y.width))
        missing = [max(0, (made - 1) * stride + window - given) for given, made in sizes]
        pads = [count // 2 for count in missing] + [count - count // 2 for count in missing]
        weights = self._constant(channels, x.channels // groups, window, window)
        made = self._append("Conv", [self._name(x), weights], y, strides=[stride] * 2, pads=pads, group=groups)
        return self._append("Relu", [made.name], y)

    def mean(self, x: Map) -> Map:
        """See ``Shapes``."""
        return self._append("GlobalAveragePool", [self._name(x)], super().mean(x))

    def dense(self, x: Map, outputs: int) -> Map:
        """See ``Shapes``."""
        flat = self._append("Flatten", [self._name(x)], x)
        return self._append("Gemm", [flat.name, self._constant(x.size, outputs)], super().dense(x, outputs))

    def add(self, *parts: Map) -> Map:
        """See ``Shapes``."""
        return self._append("Add", [self._name(part) for part in parts], super().add(*parts))

    def other(self, values: int) -> None:
        """A softmax over what came last."""
        super().other(values)
        self._append("Softmax", [self.nodes[-1].output[0]], Map(1, 1, values))

    def model(self) -> ModelProto:
        """The network."""
        from onnx import TensorProto, helper, numpy_helper, shape_inference

        assert self.picture is not None
        shape = [1, self.picture.channels, self.picture.height, self.picture.width]
        graph = helper.make_graph(
            self.nodes,
            "published",
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(self.nodes[-1].output[0], TensorProto.FLOAT, None)],
            [numpy_helper.from_array(value, name) for name, value in self.constants.items()],
        )
        opset = [helper.make_opsetid("", OPSET)]
        return shape_inference.infer_shapes(helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION))

    def _name(self, x: Map) -> str:
        if isinstance(x, Named):
            return x.name
        self.picture = x
        return "input"

    def _append(self, operator: str, inputs: list[str], y: Map, **options: Any) -> Named:
        from onnx import helper

        name = f"{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], name, **options))
        return Named(y.height, y.width, y.channels, name)

    def _constant(self, *shape: int) -> str:
        name = f"constant_{len(self.constants)}"
        values = self.rng.standard_normal(shape, np.float32)
        self.constants[name] = values * np.float32(np.sqrt(2 / np.prod(shape[1:])))
        return name


def published_model(name: str) -> ModelProto:
    """A published MobileNet as float ONNX with random weights.

    Raises:
        UnknownNameError: it is not one that can be rebuilt.
    """
    net = Written()
    describe(net, name)
    return net.model()
