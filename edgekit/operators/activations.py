"""Activation functions: operators that treat each value by itself, and Softmax."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import DTypeLike

from edgekit.operators.lowered import Options
from edgekit.operators.lowering import ACTIVATION_LIMITS, Lowering
from edgekit.operators.nodes import Node
from edgekit.operators.operator import ARITHMETIC, PLAIN, Channels, Int8, Operator
from edgekit.scales import INT8_MAX, INT8_MIN, SMALLEST_SCALE, Array, Quantization

CLIPS = {"Relu": "RELU", "Relu6": "RELU6", "ReluN1": "RELU_N1_TO_1"}
FUNCTIONS = {
    "Abs": "ABS", "Ceil": "CEIL", "Cos": "COS", "Exp": "EXP", "Floor": "FLOOR",
    "Log": "LOG", "Neg": "NEG", "Round": "ROUND", "Sigmoid": "LOGISTIC", "Sign": "SIGN", "Sin": "SIN",
    "Sqrt": "SQRT", "Tanh": "TANH",
}  # fmt: skip


def function(low: Lowering, node: Node) -> None:
    """Sigmoid, Tanh, Exp, ... → the operator of that name."""
    _in_place(low, node, FUNCTIONS[node.op], version=2 if low.is_quantized(node) else 1)


def leaky_relu(low: Lowering, node: Node) -> None:
    """LeakyRelu → LEAKY_RELU."""
    options = Options("LeakyReluOptions", {"Alpha": node.attributes.get("alpha", 0.01)})
    _in_place(low, node, "LEAKY_RELU", options, version=2 if low.is_quantized(node) else 1)


def gelu(low: Lowering, node: Node) -> None:
    """Gelu → GELU, by the error function or by its approximation with tanh."""
    options = Options("GeluOptions", {"Approximate": node.attributes.get("approximate", "none") == "tanh"})
    _in_place(low, node, "GELU", options, version=2 if low.is_quantized(node) else 1)


def prelu(low: Lowering, node: Node) -> None:
    """PRelu → PRELU."""
    order = low.placed(node.inputs[0]).order
    slope = low.operand(node, 1, order)
    low.emit("PRELU", (low.activation(node, order=order), slope), low.result(node, order))


def clip(low: Lowering, node: Node) -> None:
    """A Relu or Clip that could not be fused → RELU, RELU6, RELU_N1_TO_1, or MAXIMUM and MINIMUM with its limits.

    Without a limit it is nothing. Of integers: ADD of 0 with that activation.
    """
    lowest, highest = _limits(low, node)
    if not low.is_quantized(node) and (lowest, highest) == (-math.inf, math.inf):
        low.alias(node, low.placed(node.inputs[0]))
        return
    quant, (source, target) = low.tensor(node.outputs[0]).quant, low.in_place(node)
    if quant is not None:
        _clip_integers(low, source, target, (lowest, highest))
    elif low.tensor(node.outputs[0]).dtype != "float32":  # whole numbers, for which there is no RELU
        _clip_reals(low, source, target, (lowest, highest), np.dtype(low.tensor(node.outputs[0]).dtype))
    elif kind := ACTIVATION_LIMITS.get((lowest, highest)):
        low.emit(CLIPS[kind], (source,), target)
    elif lowest == 0:
        between = low.alike(target)
        low.emit("RELU", (source,), between)
        _limit(low, "MINIMUM", between, target, np.asarray(highest, np.float32))
    else:
        _clip_reals(low, source, target, (lowest, highest))


def hard_sigmoid(low: Lowering, node: Node) -> None:
    """HardSigmoid, max(0, min(1, alpha · x + beta)) → arithmetic that RELU6, or int8 itself, clips."""
    alpha, beta = node.attributes.get("alpha", 0.2), node.attributes.get("beta", 0.5)
    source, target = low.in_place(node)
    if low.is_quantized(node):
        if not 0 <= beta <= 1:
            raise low.refusal(node, f"has a beta of {beta}, which is not in [0, 1]")
        # At the result's scale, with a zero point that puts 0 where beta will be, both steps saturate at 0 and 1.
        shifted = min(INT8_MIN + round(256 * beta), INT8_MAX)
        between = low.alike(target, Quantization.per_tensor(1 / 256, shifted))
        low.compute("MUL", (source, _stored_scalar(low, alpha)), between)
        low.compute("ADD", (between, _stored_scalar(low, beta)), target)
        return
    if not math.isclose(6 * alpha, 1, rel_tol=1e-6):
        scaled = low.alike(target)
        low.compute("MUL", (source, low.number(6 * alpha)), scaled)
        source = scaled
    between = low.alike(target)
    low.compute("ADD", (source, low.number(6 * beta)), between, "Relu6")
    low.compute("MUL", (between, low.number(1 / 6)), target)


def hard_swish(low: Lowering, node: Node) -> None:
    """HardSwish, x · relu6(x + 3) / 6 → HARD_SWISH; of integers ADD and two MUL, of which XNNPACK makes one table.

    HARD_SWISH of integers is left to a kernel that needs 40 times as long on x86, 3.3 times the instructions on a
    Cortex-A72 (``benchmarks/quantize/hard_swish.json``). The second MUL divides by 6 and changes no integer: its input
    counts in steps of six times the result's scale.
    """
    quant, (source, target) = low.tensor(node.outputs[0]).quant, low.in_place(node)
    if quant is None:
        low.emit("HARD_SWISH", (source,), target)
        return
    gate = low.alike(target, Quantization.per_tensor(6 / 255, INT8_MIN))
    sixfold = low.alike(target, quant.scaled(6))
    low.compute("ADD", (source, _stored_scalar(low, 3)), gate, "Relu6")
    low.compute("MUL", (source, gate), sixfold)
    low.compute("MUL", (sixfold, _stored_scalar(low, 1 / 6)), target)


def softmax(low: Lowering, node: Node) -> None:
    """Softmax, LogSoftmax → SOFTMAX, LOG_SOFTMAX over the axis that lies innermost in memory."""
    given = low.placed(node.inputs[0]).order
    axis = node.attributes.get("axis", -1) % len(given)
    order = (*(other for other in given if other != axis), axis)
    source, version = low.activation(node, order=order), 2 if low.is_quantized(node) else 1
    if node.op == "Softmax":
        low.emit("SOFTMAX", (source,), low.result(node, order), Options("SoftmaxOptions", {"Beta": 1.0}), version)
    else:
        low.emit("LOG_SOFTMAX", (source,), low.result(node, order), Options("LogSoftmaxOptions"), version)


def _in_place(low: Lowering, node: Node, code: str, options: Options | None = None, version: int = 1) -> None:
    """Append an operator that takes one value to one value, wherever each lies in memory."""
    source, target = low.in_place(node)
    low.emit(code, (source,), target, options, version)


def _limits(low: Lowering, node: Node) -> tuple[float, float]:
    if node.op == "Relu":
        return 0.0, math.inf
    found = [-math.inf, math.inf]
    for position, name in enumerate(node.inputs[1:]):
        data = low.tensor(name).data if name else np.asarray(found[position])
        if data is None or data.size != 1:
            raise low.refusal(node, f"clips to the computed limit '{name}'")
        found[position] = float(data.reshape(-1)[0])
    lowest, highest = found
    largest = float(np.finfo(np.float32).max)
    return (-math.inf if lowest <= -largest else lowest), (math.inf if highest >= largest else highest)


def _clip_reals(
    low: Lowering, source: int, target: int, limits: tuple[float, float], dtype: DTypeLike = np.float32
) -> None:
    codes = [
        (code, np.asarray(limit, dtype))
        for code, limit in zip(("MAXIMUM", "MINIMUM"), limits, strict=True)
        if math.isfinite(limit)
    ]
    _chain(low, source, target, codes)


def _clip_integers(low: Lowering, source: int, target: int, limits: tuple[float, float]) -> None:
    """A conversion to the result's scale takes a usual activation along; XNNPACK has no RELU of integers.

    Int8 itself saturates at the ends of the result's range; other limits inside it need an operator of their own.
    """
    quant, usual = low.model.tensors[target].quant, ACTIVATION_LIMITS.get(limits, "")
    assert quant is not None
    stored = quant.quantize(np.asarray(limits))
    codes: list[tuple[str, Array]] = []
    if not usual and stored[0] > INT8_MIN:
        codes.append(("MAXIMUM", stored[0]))
    if not usual and stored[1] < INT8_MAX:
        codes.append(("MINIMUM", stored[1]))
    if not codes or quant != low.model.tensors[source].quant:
        converted = target if not codes else low.alike(target)
        low.rescale(source, converted, usual)
        source = converted
    _chain(low, source, target, codes)


def _chain(low: Lowering, source: int, target: int, codes: list[tuple[str, Array]]) -> None:
    for position, (code, limit) in enumerate(codes):
        result = target if position == len(codes) - 1 else low.alike(target)
        _limit(low, code, source, result, limit)
        source = result


def _limit(low: Lowering, code: str, source: int, target: int, limit: Array) -> None:
    """Append a MAXIMUM or MINIMUM with one constant, stored as ``target`` stores its values."""
    quant = low.model.tensors[target].quant
    low.compute(code, (source, low.constant(limit, quant)), target)


def _stored_scalar(low: Lowering, value: float) -> int:
    """One constant as int8: the largest step of a scale of its own, so it is exact (but for what is as good as 0)."""
    own = Quantization.per_tensor(max(abs(value) / INT8_MAX, SMALLEST_SCALE))
    return low.constant(own.quantize(np.asarray(value)), own)


PROBABILITIES = Int8(output=Quantization.per_tensor(1 / 256, INT8_MIN))
OPERATORS = (
    Operator("Abs", function, PLAIN, linear=True, per_value=True),
    Operator("Sigmoid", function, PROBABILITIES, per_value=True),
    Operator("Tanh", function, Int8(output=Quantization.per_tensor(1 / 128)), per_value=True),
    Operator("Ceil", function, per_value=True),
    Operator("Cos", function, per_value=True),
    Operator("Exp", function, per_value=True),
    Operator("Floor", function, per_value=True),
    Operator("Log", function, per_value=True),
    Operator("Neg", function, per_value=True),
    Operator("Round", function, per_value=True),
    Operator("Sign", function, per_value=True),
    Operator("Sin", function, per_value=True),
    Operator("Sqrt", function, per_value=True),
    Operator("Relu", clip, PLAIN, linear=True, per_value=True, channels=Channels.PASSED, is_activation=True),
    Operator("Clip", clip, PLAIN, per_value=True, channels=Channels.PASSED, is_activation=True),
    Operator("LeakyRelu", leaky_relu, PLAIN, linear=True, per_value=True, channels=Channels.PROPORTIONAL),
    Operator("PRelu", prelu, ARITHMETIC),
    Operator("Gelu", gelu, PLAIN, per_value=True),
    Operator("HardSigmoid", hard_sigmoid, PROBABILITIES, per_value=True),
    Operator("HardSwish", hard_swish, PLAIN, per_value=True),
    Operator("Softmax", softmax, PROBABILITIES),
    Operator("LogSoftmax", softmax, Int8(output=Quantization.per_tensor(16 / 256, INT8_MAX))),
)
