"""A QDQ model in fewer bytes: what a runtime can work out while it loads a file is not stored in it.

ONNX Runtime folds constants before it looks for the QDQ form, so it runs the same integer kernels on the same integers.
A runtime that does not fold computes the same scales in each run.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgekit.conversion.weights_only import CHANNEL_AXES, on_grid
from edgekit.graph.draft import Draft
from edgekit.graph.messages import make_node
from edgekit.graph.names import with_short_names
from edgekit.operators import ACTIVATIONS
from edgekit.operators.operator import WEIGHTS

if TYPE_CHECKING:
    from onnx import AttributeProto, ModelProto, NodeProto, TensorProto

QUANTIZE, DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"
NEUTRAL = {"dilations": 1, "strides": 1, "pads": 0}
FEWEST_TO_JOIN = 5
"""Fewer layers than this take less room as they are."""


def compact(model: ModelProto) -> ModelProto:
    """The same model in fewer bytes: same inputs and outputs, same integers.

    - A Relu or Clip is left out where the quantization after it saturates at the same values.
    - Attributes of windows that have the default value are left out, and a convolution's kernel shape, which is also
      that of its weights.
    - The scales of a bias are computed: the input's scale times the weights' scales.
    - The weights' scales of all layers lie end to end in one tensor, so do the biases, in 16 bits those that fit, and a
      Split cuts them. The zero points of the weights are cut from computed zeros.
    - Weights that several layers share, as the steps of a recurrence do, are stored once, and repeated by a Tile.
    - Weights of operators in float that lie on the grid of 8 bits are stored so, behind a Cast and a Mul.
    - Inner values have short names.

    Each layer keeps zero points of its own. With shared ones, in versions up to 1.24 at least with absent ones too,
    ONNX Runtime crashes where ``session.x64quantprecision`` has an effect; without them, 1.31 computes Gemm in float.

    Args:
        model: QDQ form as ``insert_qdq`` writes it.
    """
    return with_short_names(_Compactor(model).compacted())


class _Compactor:
    """A graph under work, and the lists of small numbers that it reads."""

    def __init__(self, model: ModelProto) -> None:
        self.draft = Draft.from_model(model)
        self.constants = self.draft.constants
        self.lists: dict[tuple[int, ...], TensorProto] = {}

    def compacted(self) -> ModelProto:
        self._drop_activations()
        for node in self.draft.nodes:
            kept = [item for item in node.attribute if not _is_implied(node, item)]
            node.ClearField("attribute")
            node.attribute.extend(kept)
        self._share_weights()
        self._pack_float_weights()
        self._compute_bias_scales()
        self._join_channels()
        self.draft.drop_unused()
        model = self.draft.to_model()
        model.graph.initializer.extend(self.lists.values())
        return model

    def _drop_activations(self) -> None:
        """A Relu or Clip of an operator's result goes if everybody who reads it saturates."""
        for node in self.draft.nodes:
            if node.op_type not in ACTIVATIONS or self.draft.is_output(node.output[0]):
                continue
            maker, readers = self.draft.producer(node.input[0]), self.draft.consumers(node.output[0])
            if maker and maker.op_type != DEQUANTIZE and all(self._saturates(node, reader) for reader in readers):
                self.draft.bypass(node, node.input[0])

    def _saturates(self, activation: NodeProto, reader: NodeProto) -> bool:
        """True if ``reader`` quantizes to the same integers without the activation function before it."""
        known = all(name in self.constants for name in (*activation.input[1:], *reader.input[1:]) if name)
        if reader.op_type != QUANTIZE or not known:
            return False
        bounds = [0.0, np.inf] if activation.op_type == "Relu" else [-np.inf, np.inf]
        for position, name in enumerate(activation.input[1:]):
            bounds[position] = self.constants[name].item() if name else bounds[position]
        scale, zero_point = (self.constants[name] for name in reader.input[1:])
        low, high = np.rint(np.array(bounds, np.float32) / scale) + zero_point
        ends = np.iinfo(zero_point.dtype)
        return bool(low <= ends.min and high >= ends.max)

    def _share_weights(self) -> None:
        """Equal weights are repeated and cut apart: ONNX Runtime does not open a file in which layers read the same."""
        equal: dict[tuple[tuple[int, ...], bytes], list[str]] = defaultdict(list)
        for node in self.draft.nodes:
            if self._is_constant(node, np.int8):
                value = self.constants[node.input[0]]
                equal[value.shape, value.tobytes()].append(node.input[0])
        for (shape, _), names in equal.items():
            if len(names) > 1 and len(shape) > 1:
                one = self.draft.add_constant(f"{names[0]} once", self.constants[names[0]])
                repeats = self._list([len(names), *[1] * (len(shape) - 1)])
                tiled = make_node("Tile", [one, repeats], [f"{one} repeated"])
                self.draft.prepend(make_node("Split", [tiled.output[0], self._list([shape[0]] * len(names))], names))
                self.draft.prepend(tiled)
                for name in names:
                    del self.constants[name]

    def _pack_float_weights(self) -> None:
        """Not behind a DequantizeLinear: ONNX Runtime does not fold that, but unpacks in every run."""
        from onnx import TensorProto

        for node in list(self.draft.nodes):
            name = node.input[WEIGHTS] if node.op_type in CHANNEL_AXES else ""
            data = self.constants.get(name)
            found = None if data is None else on_grid(data, CHANNEL_AXES[node.op_type] % data.ndim)
            if found is None:
                continue
            del self.constants[name]
            stored = self.draft.add_constant(f"{name} stored", found[0])
            scales = self.draft.add_constant(f"{name} scales", found[1].along(found[0].ndim)[0])
            self.draft.prepend(make_node("Mul", [f"{name} unscaled", scales], [name]))
            self.draft.prepend(make_node("Cast", [stored], [f"{name} unscaled"], to=TensorProto.FLOAT))

    def _compute_bias_scales(self) -> None:
        """Put a Mul before each bias's DequantizeLinear; an int32 needs no zero point."""
        for node in self.draft.nodes:
            if not self._is_constant(node, np.int32):
                continue
            self.draft.set_inputs(node, node.input[:2])
            layer, scales = self.draft.consumers(node.output[0])[0], node.input[1]
            makers = [self.draft.producer(name) for name in layer.input[:2]]
            factors = [maker.input[1] for maker in makers if maker is not None]
            product = self.constants[factors[0]] * self.constants[factors[1]]
            if product.ndim and np.array_equal(product, self.constants[scales]):
                self.draft.add(make_node("Mul", factors, [scales]))
                del self.constants[scales]

    def _join_channels(self) -> None:
        """What there is per channel, for all layers in one tensor of each kind."""
        from onnx import TensorProto, helper

        weights = [node for node in self.draft.nodes if self._is_constant(node, np.int8) and node.attribute]
        biases = [node.input[0] for node in self.draft.nodes if self._is_constant(node, np.int32)]
        if len(weights) < FEWEST_TO_JOIN:
            return
        sizes = [self.constants[node.input[1]].size for node in weights]
        zero = helper.make_tensor("", TensorProto.INT8, [1], [0])
        zeros = make_node("ConstantOfShape", [self._list([sum(sizes)])], ["all zero points"], value=zero)
        self._cut(zeros.output[0], [node.input[2] for node in weights])
        self.draft.prepend(zeros)
        self._join("all scales", [node.input[1] for node in weights])
        narrow = [name for name in biases if _fits_int16(self.constants[name])]
        self._join("all other biases", [name for name in biases if name not in narrow])
        self._join("all narrow biases", narrow)

    def _join(self, whole: str, parts: Sequence[str]) -> None:
        """One constant for several, and a Split that cuts it; in 16 bits if they fit, with a Cast back."""
        from onnx import TensorProto

        if not parts:
            return
        value = np.concatenate([self.constants[part] for part in parts])
        if value.dtype == np.int32 and _fits_int16(value):
            cast = make_node("Cast", [whole], [f"{whole} in 32 bits"], to=TensorProto.INT32)
            self._cut(cast.output[0], parts)
            self.draft.prepend(cast)
            value = value.astype(np.int16)
        else:
            self._cut(whole, parts)
        self.constants[whole] = value

    def _cut(self, whole: str, parts: Sequence[str]) -> None:
        sizes = self._list([self.constants.pop(part).size for part in parts])
        self.draft.prepend(make_node("Split", [whole, sizes], parts))

    def _list(self, numbers: Sequence[int]) -> str:
        """The name of a constant of int64: small numbers take a byte or two each if not written as raw data."""
        from onnx import TensorProto, helper

        name = f"list_{'_'.join(map(str, numbers))}"
        self.lists[tuple(numbers)] = helper.make_tensor(name, TensorProto.INT64, [len(numbers)], numbers)
        return name

    def _is_constant(self, node: NodeProto, dtype: type[np.generic]) -> bool:
        """True for the DequantizeLinear of a constant of this type."""
        value = self.constants.get(node.input[0]) if node.op_type == DEQUANTIZE else None
        return value is not None and value.dtype == dtype


def _is_implied(node: NodeProto, attribute: AttributeProto) -> bool:
    """True for what a node says although it is the default, or the shape of a convolution's weights."""
    if attribute.name in NEUTRAL:
        return set(attribute.ints) <= {NEUTRAL[attribute.name]}
    is_shape = attribute.name == "kernel_shape"
    return node.op_type == "Conv" and (is_shape or (attribute.name, attribute.i) == ("group", 1))


def _fits_int16(value: NDArray[Any]) -> bool:
    return np.array_equal(value, value.astype(np.int16))
