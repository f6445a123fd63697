"""Pooling and means over height and width."""

from __future__ import annotations

import numpy as np

from edgekit.operators.lowered import Options
from edgekit.operators.lowering import Lowering, fused
from edgekit.operators.nodes import Node
from edgekit.operators.operator import PLAIN, TIED, Channels, Operator
from edgekit.operators.windows import VALID, Window, padded_input, scheme_input
from edgekit.scales import Array, Quantization, bias_quantization


def max_pool(low: Lowering, node: Node) -> None:
    """MaxPool → MAX_POOL_2D."""
    if len(node.outputs) > 1 and node.outputs[1]:
        raise low.refusal(node, "also returns indices")
    window = _undilated(low, node)
    if window.kernel == (1, 1) and window.before == window.after == (0, 0):
        _every_nth_pixel(low, node, window)
        return
    source, padding = scheme_input(low, node, window, lowest=True)
    _emit_pool(low, node, "MAX_POOL_2D", source, window, padding)


def average_pool(low: Lowering, node: Node) -> None:
    """AveragePool → AVERAGE_POOL_2D, which leaves padding out of the mean."""
    window = _undilated(low, node)
    padding = window.scheme
    if node.attributes.get("count_include_pad", 0) and window.before + window.after != (0, 0, 0, 0):
        given = node.attributes.get("pads", (0, 0, 0, 0))[2:]
        if any(reached > amount for reached, amount in zip(window.after, given, strict=True)):
            raise low.refusal(node, "counts padding in the mean and rounds its size up")
        source, padding = padded_input(low, node, window), VALID
    elif padding is not None:
        source = low.activation(node)
    else:
        raise low.refusal(node, "has padding that is neither SAME nor VALID")
    _emit_pool(low, node, "AVERAGE_POOL_2D", source, window, padding)


def global_average_pool(low: Lowering, node: Node) -> None:
    """GlobalAveragePool → AVERAGE_POOL_2D over the whole image; MEAN where it changes the scale, as in int8 files."""
    source, target = low.tensor(node.inputs[0]), low.tensor(node.outputs[0])
    if len(source.shape) != 4:
        raise low.refusal(node, f"works on {len(source.shape) - 2} spatial dimensions instead of 2")
    if source.quant is not None and source.quant != target.quant:
        axes = low.constant(np.asarray([1, 2], np.int32))
        options = Options("ReducerOptions", {"KeepDims": True})
        low.emit("MEAN", (low.activation(node), axes), low.result(node), options, version=2)
        return
    size = source.shape[2:]
    window = Window(size=size, kernel=size, strides=(1, 1), dilations=(1, 1), steps=(1, 1), before=(0, 0))
    _emit_pool(low, node, "AVERAGE_POOL_2D", low.activation(node), window, VALID)


def _every_nth_pixel(low: Lowering, node: Node, window: Window) -> None:
    """A window of one pixel → DEPTHWISE_CONV_2D with weights of 1: XNNPACK takes neither such pools nor strided slices.

    In integers the product with a weight of 127 steps of 1/127 is rounded to the very value that went in.
    """
    tensor = low.tensor(node.inputs[0])
    channels = tensor.shape[1]
    ones: Array = np.ones((1, 1, 1, channels), np.float32)
    bias: Array = np.zeros(channels, np.float32)
    weight_quant = bias_quant = None
    if tensor.quant is not None:
        if tensor.quant != low.tensor(node.outputs[0]).quant:
            raise low.refusal(node, "changes the scale, which pooling must keep")
        weight_quant = Quantization.per_tensor(1 / 127)
        bias_quant = bias_quantization(weight_quant, tensor.quant)
        ones, bias = np.full(ones.shape, 127, np.int8), np.zeros(channels, np.int32)
    fields = {
        "StrideH": window.strides[0],
        "StrideW": window.strides[1],
        "DilationHFactor": 1,
        "DilationWFactor": 1,
        "DepthMultiplier": 1,
        "Padding": VALID,
        **fused(node),
    }
    inputs = [low.activation(node), low.constant(ones, weight_quant), low.constant(bias, bias_quant)]
    options = Options("DepthwiseConv2DOptions", fields)
    low.emit("DEPTHWISE_CONV_2D", inputs, low.result(node), options, version=3 if weight_quant else 1)


def _undilated(low: Lowering, node: Node) -> Window:
    window = Window.of(low, node)
    if window.dilations != (1, 1):
        raise low.refusal(node, "has a dilated pooling window")
    return window


def _emit_pool(low: Lowering, node: Node, code: str, source: int, window: Window, padding: int) -> None:
    quant = low.tensor(node.inputs[0]).quant
    target_quant = low.tensor(node.outputs[0]).quant
    if quant is not None and quant != target_quant:
        raise low.refusal(node, "changes the scale, which pooling must keep")
    fields = {
        "StrideH": window.strides[0],
        "StrideW": window.strides[1],
        "FilterHeight": window.kernel[0],
        "FilterWidth": window.kernel[1],
        "Padding": padding,
        **fused(node),
    }
    low.emit(code, (source,), low.result(node), Options("Pool2DOptions", fields), version=2 if quant else 1)


OPERATORS = (
    Operator("MaxPool", max_pool, TIED, takes_activation=True, linear=True, channels=Channels.PASSED),
    Operator("AveragePool", average_pool, TIED, takes_activation=True, linear=True, channels=Channels.PASSED),
    Operator("GlobalAveragePool", global_average_pool, PLAIN, linear=True, channels=Channels.PROPORTIONAL),
)
