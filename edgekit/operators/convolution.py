"""Conv and Gemm: the operators with weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edgekit.operators.lowered import Options
from edgekit.operators.lowering import Lowering, fused, is_in_order
from edgekit.operators.nodes import Node
from edgekit.operators.operator import PLAIN, Operator, Weights
from edgekit.operators.windows import SAME, VALID, Window, scheme_input
from edgekit.scales import Array, bias_quantization


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


def conv_transpose(low: Lowering, node: Node) -> None:
    """ConvTranspose → TRANSPOSE_CONV, and a SLICE where its padding is not TFLite's."""
    weights = low.tensor(node.inputs[1])
    options = node.attributes
    if weights.data is None or len(weights.shape) != 4:
        raise low.refusal(node, "has weights that are not constant, or works on other than 2 spatial dimensions")
    plain = options.get("auto_pad", "NOTSET") == "NOTSET" and "output_shape" not in options
    if options.get("group", 1) != 1 or max(options.get("dilations", (1, 1))) > 1 or not plain:
        raise low.refusal(node, "has groups, dilations or automatic padding; prepare the model first")
    source, target = low.tensor(node.inputs[0]), low.tensor(node.outputs[0])
    strides, pads = options.get("strides", (1, 1)), options.get("pads", (0, 0, 0, 0))
    outputs = weights.shape[1]
    full = [
        max((size - 1) * stride + kernel, start + wanted)
        for size, stride, kernel, start, wanted in zip(
            source.shape[2:], strides, weights.shape[2:], pads[:2], target.shape[2:], strict=True
        )
    ]
    padding = _transposed_scheme(source.shape[2:], target.shape[2:], weights.shape[2:], strides, pads)
    sizes = full if padding is None else target.shape[2:]
    shape = (source.shape[0], *sizes, outputs)
    quant = replace(weights.quant, axis=0) if weights.quant is not None and weights.quant.axis is not None else None
    inputs = [
        low.constant(np.asarray(shape, np.int32)),
        low.constant(weights.data.transpose(1, 2, 3, 0), quant or weights.quant),
        low.activation(node),
        _bias(low, node, outputs),
    ]
    fields = {"StrideH": strides[0], "StrideW": strides[1], "Padding": VALID if padding is None else padding}
    made = low.result(node) if padding is not None else low.scratch(shape, target)
    low.emit("TRANSPOSE_CONV", inputs, made, Options("TransposeConvOptions", fields), version=3)
    if padding is None:
        begin, size = ([0, *pads[:2], 0], [source.shape[0], *target.shape[2:], outputs])
        corners = [low.constant(np.asarray(values, np.int32)) for values in (begin, size)]
        low.emit("SLICE", [made, *corners], low.result(node), Options("SliceOptions"), version=2 if quant else 1)


def _transposed_scheme(
    source: tuple[int, ...],
    target: tuple[int, ...],
    kernel: tuple[int, ...],
    strides: Sequence[int],
    pads: Sequence[int],
) -> int | None:
    """VALID or SAME if TFLite would cut the same edges off the full result, else None."""
    axes = range(2)
    if all(pads[axis] == 0 and target[axis] == (source[axis] - 1) * strides[axis] + kernel[axis] for axis in axes):
        return VALID
    cut = [max((source[axis] - 1) * strides[axis] + kernel[axis] - target[axis], 0) for axis in axes]
    fits = all(-(-target[axis] // strides[axis]) == source[axis] and cut[axis] // 2 == pads[axis] for axis in axes)
    return SAME if fits else None


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
    return low.constant(data, bias_quantization(weights, source))


OPERATORS = (
    Operator("Conv", conv, PLAIN, Weights(axis=0), takes_activation=True),
    Operator("ConvTranspose", conv_transpose, PLAIN, Weights(axis=1, packed=False)),
    Operator("Gemm", gemm, PLAIN, Weights(axis=0, per_channel=False), takes_activation=True),
)
