"""What the LiteRT 8-bit specification asks of each ONNX operator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgekit.scales import INT8_MAX, INT8_MIN, Quantization


@dataclass(frozen=True)
class OperatorRule:
    """What the specification asks of one ONNX operator.

    ``weight``: input 1 holds constant weights and input 2 the bias. ``channel_axis``: the weights' output channels,
    None for one scale per tensor. ``constants``: a constant input is stored like an activation. ``ties``: inputs and
    output share one scale and zero point. ``output``: fixed ones.
    """

    weight: bool = False
    channel_axis: int | None = None
    constants: bool = False
    ties: bool = False
    output: Quantization | None = None


PROBABILITIES = Quantization.per_tensor(1 / 256, INT8_MIN)
_PLAIN, _TIED = OperatorRule(), OperatorRule(ties=True)
_ARITHMETIC, _JOINING = OperatorRule(constants=True), OperatorRule(constants=True, ties=True)

OPERATORS: Mapping[str, OperatorRule] = {
    "Conv": OperatorRule(weight=True, channel_axis=0),
    "ConvTranspose": OperatorRule(weight=True, channel_axis=1),
    "Gemm": OperatorRule(weight=True),
    **dict.fromkeys(("Softmax", "Sigmoid", "HardSigmoid"), OperatorRule(output=PROBABILITIES)),
    "LogSoftmax": OperatorRule(output=Quantization.per_tensor(16 / 256, INT8_MAX)),
    "Tanh": OperatorRule(output=Quantization.per_tensor(1 / 128, 0)),
    **dict.fromkeys(("Add", "Sub", "Mul", "MatMul", "PRelu"), _ARITHMETIC),
    **dict.fromkeys(("Relu", "Clip", "LeakyRelu", "Elu", "HardSwish", "Gelu", "Abs"), _PLAIN),
    **dict.fromkeys(("ReduceMean", "ReduceSum", "GlobalAveragePool"), _PLAIN),
    **dict.fromkeys(("Max", "Min", "Concat"), _JOINING),
    **dict.fromkeys(("MaxPool", "AveragePool", "ReduceMax", "ReduceMin", "Pad"), _TIED),
    **dict.fromkeys(("Resize", "DepthToSpace", "SpaceToDepth", "Split", "Slice", "Gather"), _TIED),
    **dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose"), _TIED),
}
"""An operator that is not here has no int8 form in every runtime and stays in float."""

FUSED_ACTIVATIONS = ("Relu", "Clip")
FUSING = ("Conv", "Gemm", "Add", "Sub", "Mul")
"""A runtime computes an activation function inside the operator before it, so no rounding happens in between."""
