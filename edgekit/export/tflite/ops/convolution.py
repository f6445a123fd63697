"""Conv and Gemm: the operators with weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgekit.export.tflite.lowering import Lowering, fused, is_in_order, lowers
from edgekit.export.tflite.ops.windows import Window, scheme_input
from edgekit.export.tflite.writer import Options
from edgekit.graph.draft import Array
from edgekit.graph.ir import Node, Quant


@lowers("Conv")
def conv(low: Lowering, node: Node) -> None:
    """Conv → CONV_2D, or DEPTHWISE_CONV_2D where each group has one input channel."""
    weights = low.tensor(node.inputs[1])
    if weights.data is None:
        raise low.refusal(node, "has weights that are not constant")
    channels = low.tensor(node.inputs[0]).shape[1]
    window = Window.of(low, node, kernel=weights.shape[2:])
    depthwise = node.attributes.get("group", 1) == channels and channels > 1
    source, padding = scheme_input(low, node, window)
    fields = {
        "StrideH": window.strides[0],
        "StrideW": window.strides[1],
        "DilationHFactor": window.dilations[0],
        "DilationWFactor": window.dilations[1],
        "Padding": padding,
        **fused(node),
    }
    if depthwise:
        axes, last = (1, 2, 3, 0), 3
        fields["DepthMultiplier"] = weights.shape[0] // channels
    else:
        axes, last = (0, 2, 3, 1), 0
    quant = replace(weights.quant, axis=last) if weights.quant is not None else None
    inputs = [source, low.constant(weights.data.transpose(axes), quant), _bias(low, node, weights.shape[0])]
    target = low.result(node)
    if depthwise:
        low.emit(
            "DEPTHWISE_CONV_2D", inputs, target, Options("DepthwiseConv2DOptions", fields), version=3 if quant else 1
        )
    else:
        low.emit("CONV_2D", inputs, target, Options("Conv2DOptions", fields), version=3 if quant else 1)


@lowers("Gemm")
def gemm(low: Lowering, node: Node) -> None:
    """Gemm → FULLY_CONNECTED; after a flattened image the weights' columns are put in the image's order."""
    weights = low.tensor(node.inputs[1])
    options = node.attributes
    if (
        weights.data is None
        or not options.get("transB")
        or options.get("alpha", 1.0) != 1
        or options.get("beta", 1.0) != 1
    ):
        raise low.refusal(node, "is not x · Wᵀ + b with constant weights; prepare the model first")
    data = weights.data
    placed = low.placed(node.inputs[0])
    if placed.columns is not None:
        source, data = placed.index, data[:, placed.columns.positions]
    elif is_in_order(low.tensor(node.inputs[0]).shape, placed.order):
        source = placed.index
    else:
        source = low.activation(node)
    quant = weights.quant
    inputs = [source, low.constant(data, quant), _bias(low, node, data.shape[0])]
    version = 4 if quant else 1
    low.emit("FULLY_CONNECTED", inputs, low.result(node), Options("FullyConnectedOptions", fused(node)), version)


def _bias(low: Lowering, node: Node, outputs: int) -> int:
    """The bias, zeros where the node has none: TFLite Micro and older runtimes want one."""
    weights = low.tensor(node.inputs[1]).quant
    source = low.tensor(node.inputs[0]).quant
    data: Array = np.zeros(outputs, np.float32 if weights is None else np.int32)
    if len(node.inputs) > 2 and node.inputs[2]:
        bias = low.tensor(node.inputs[2])
        if bias.data is None or bias.data.dtype != data.dtype:
            raise low.refusal(node, f"has a bias that is not a constant of type {data.dtype}")
        data = bias.data.reshape(-1)
    if data.size != outputs:
        raise low.refusal(node, f"has a bias of {data.size} values for {outputs} outputs")
    if weights is None or source is None:
        return low.constant(data)
    scales = source.scales * weights.scales
    return low.constant(data, Quant(scales, np.zeros(len(scales), np.int64), 0 if len(scales) > 1 else None, "int32"))
