"""Rewrites that bring any exporter's float graph to the few forms that the quantizer and the lowering know.

Each pass looks at one node of a draft, edits the graph around it and says whether it did. All are exact in real
arithmetic; the value of every model output stays what it was.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.graph.draft import Array, Draft, attributes

if TYPE_CHECKING:
    from onnx import NodeProto

WINDOWED = ("Conv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool")


def remove_identity(draft: Draft, node: NodeProto) -> bool:
    """Nodes that do nothing at inference: Identity, Dropout, a Cast to the same type, a Concat or Sum of one."""
    same_type = node.op_type == "Cast" and attributes(node)["to"] == draft.types.get(node.input[0])
    single = node.op_type in ("Concat", "Sum", "Max", "Min") and len(node.input) == 1
    dropout = node.op_type == "Dropout" and not any(draft.consumers(name) for name in node.output[1:] if name)
    if not (node.op_type == "Identity" or same_type or single or dropout):
        return False
    before = len(draft.nodes)
    draft.bypass(node, node.input[0])
    return len(draft.nodes) != before


def explicit_padding(draft: Draft, node: NodeProto) -> bool:
    """``auto_pad`` becomes ``pads``, for the known input size."""
    options = attributes(node)
    mode = options.get("auto_pad", "NOTSET")
    if node.op_type not in WINDOWED or node.op_type == "ConvTranspose" or mode == "NOTSET":
        return False
    sizes = draft.shapes[node.input[0]][2:]
    kernel = options.get("kernel_shape") or draft.shapes[node.input[1]][2:]
    strides = options.get("strides", [1] * len(sizes))
    dilations = options.get("dilations", [1] * len(sizes))
    starts, ends = [], []
    for size, window, stride, dilation in zip(sizes, kernel, strides, dilations, strict=True):
        total = max((math.ceil(size / stride) - 1) * stride + (window - 1) * dilation + 1 - size, 0)
        small, large = total // 2, total - total // 2
        starts.append(0 if mode == "VALID" else small if mode == "SAME_UPPER" else large)
        ends.append(0 if mode == "VALID" else large if mode == "SAME_UPPER" else small)
    _set_attributes(node, auto_pad=None, pads=[*starts, *ends])
    return True


def absorb_padding(draft: Draft, node: NodeProto) -> bool:
    """Zero padding in front of a convolution becomes the convolution's own."""
    if node.op_type != "Conv":
        return False
    pad = draft.producer(node.input[0])
    if pad is None or pad.op_type != "Pad" or draft.only_use(pad.output[0]) is None:
        return False
    amounts = padding_of(draft, pad)
    rank = len(draft.shapes[pad.input[0]])
    if amounts is None or any(amounts[:2]) or any(amounts[rank : rank + 2]) or min(amounts) < 0:
        return False
    own = attributes(node).get("pads", [0] * (2 * (rank - 2)))
    extra = [*amounts[2:rank], *amounts[rank + 2 :]]
    _set_attributes(node, pads=[a + b for a, b in zip(own, extra, strict=True)])
    node.input[0] = pad.input[0]
    draft.nodes.remove(pad)
    return True


def padding_of(draft: Draft, pad: NodeProto) -> list[int] | None:
    """The amounts of a constant zero Pad, all starts then all ends over all axes; None if it is another kind."""
    options = attributes(pad)
    value = draft.constant(pad, 2)
    amounts = draft.constant(pad, 1)
    absent_value = len(pad.input) < 3 or not pad.input[2]
    if options.get("mode", "constant") != "constant" or amounts is None:
        return None
    if not absent_value and (value is None or value.any()):
        return None
    rank = len(draft.shapes[pad.input[0]])
    axes = draft.constant(pad, 3)
    if axes is None:
        return [int(amount) for amount in amounts]
    full = [0] * (2 * rank)
    for index, axis in enumerate(axes):
        full[int(axis) % rank] = int(amounts[index])
        full[int(axis) % rank + rank] = int(amounts[index + len(axes)])
    return full


def clip_to_relu(draft: Draft, node: NodeProto) -> bool:
    """A Clip from 0 upwards without a limit is a Relu."""
    if node.op_type != "Clip" or len(node.input) < 2:
        return False
    low, high = draft.constant(node, 1), draft.constant(node, 2)
    absent = len(node.input) < 3 or not node.input[2]
    unlimited = absent or (high is not None and float(high) >= np.finfo(np.float32).max)
    if low is None or float(low) != 0 or not unlimited:
        return False
    node.op_type = "Relu"
    del node.input[1:]
    return True


def mean_to_pool(draft: Draft, node: NodeProto) -> bool:
    """A mean over height and width is a GlobalAveragePool, followed by a Flatten if it drops these axes."""
    from onnx import helper

    if node.op_type != "ReduceMean" or len(draft.shapes.get(node.input[0], ())) != 4:
        return False
    options = attributes(node)
    axes = draft.constant(node, 1) if len(node.input) > 1 else options.get("axes")
    if axes is None or sorted(int(axis) % 4 for axis in axes) != [2, 3]:
        return False
    source, target = node.input[0], node.output[0]
    if options.get("keepdims", 1):
        draft.replace(node, helper.make_node("GlobalAveragePool", [source], [target], node.name))
        return True
    pooled = f"{target}_pooled"
    draft.shapes[pooled] = (*draft.shapes[source][:2], 1, 1)
    pool = helper.make_node("GlobalAveragePool", [source], [pooled], node.name)
    draft.replace(node, pool, helper.make_node("Flatten", [pooled], [target], f"{node.name}_flatten"))
    return True


def matmul_to_gemm(draft: Draft, node: NodeProto) -> bool:
    """A MatMul of a matrix with constant weights is a Gemm."""
    from onnx import helper

    if node.op_type != "MatMul":
        return False
    weights = draft.constant(node, 1)
    if weights is None or weights.ndim != 2 or len(draft.shapes.get(node.input[0], ())) != 2:
        return False
    draft.replace(node, helper.make_node("Gemm", list(node.input), list(node.output), node.name))
    return True


def plain_gemm(draft: Draft, node: NodeProto) -> bool:
    """Gemm becomes ``x · Wᵀ + b``: weights [outputs, inputs], one bias per output, no factors left."""
    if node.op_type != "Gemm":
        return False
    options = attributes(node)
    weights, bias = draft.constant(node, 1), draft.constant(node, 2)
    given_bias = len(node.input) > 2 and node.input[2] != ""
    if weights is None or (given_bias and bias is None) or options.get("transA"):
        return False
    alpha, beta = options.get("alpha", 1.0), options.get("beta", 1.0)
    outputs = weights.shape[0 if options.get("transB") else 1]
    plain_bias = not given_bias or (bias is not None and bias.shape == (outputs,))
    if options.get("transB") and alpha == beta == 1.0 and plain_bias:
        return False
    if bias is not None and bias.size not in (1, outputs):
        return False
    matrix = weights if options.get("transB") else weights.T
    node.input[1] = draft.add_constant(f"{node.output[0]}_weight", np.float32(alpha) * matrix)
    if bias is not None:
        row = np.broadcast_to(np.float32(beta) * bias.reshape(-1), (outputs,))
        node.input[2] = draft.add_constant(f"{node.output[0]}_bias", np.array(row))
    _set_attributes(node, alpha=None, beta=None, transB=1)
    return True


def absorb_affine(draft: Draft, node: NodeProto) -> bool:
    """A per-channel ``scale · x + shift`` behind a Conv or Gemm goes into its weights and bias.

    That is BatchNormalization (Jacob et al. 2018, section 3.2), and Mul, Div, Add or Sub with a constant.
    """
    source = _variable_input(draft, node)
    maker = draft.producer(source) if source else None
    if maker is None or maker.op_type not in ("Conv", "Gemm") or draft.only_use(maker.output[0]) is None:
        return False
    weights, bias = draft.constant(maker, 1), draft.constant(maker, 2)
    has_bias = len(maker.input) > 2 and maker.input[2] != ""
    plain = maker.op_type == "Conv" or attributes(maker).get("transB") == 1
    if weights is None or (has_bias and bias is None) or not plain:
        return False
    channels = weights.shape[0]
    affine = _channel_affine(draft, node, channels, len(draft.shapes.get(source, ())))
    if affine is None:
        return False
    scale, shift = affine
    old_bias = np.zeros(channels) if bias is None else bias.astype(np.float64)
    scaled = weights.astype(np.float64) * scale.reshape(-1, *[1] * (weights.ndim - 1))
    target = node.output[0]
    names = (
        draft.add_constant(f"{target}_weight", scaled.astype(np.float32)),
        draft.add_constant(f"{target}_bias", (old_bias * scale + shift).astype(np.float32)),
    )
    del maker.input[1:]
    maker.input.extend(names)
    draft.bypass(node, source)
    return True


def expand_batch_norm(draft: Draft, node: NodeProto) -> bool:
    """A BatchNormalization that no convolution can absorb becomes a Mul and an Add per channel."""
    from onnx import helper

    if node.op_type != "BatchNormalization":
        return False
    source, target = node.input[0], node.output[0]
    channels = draft.shapes[source][1]
    rank = len(draft.shapes[source])
    affine = _channel_affine(draft, node, channels, rank)
    if affine is None:
        return False
    shape = (1, channels, *[1] * (rank - 2))
    scale, shift = (
        draft.add_constant(f"{target}_{kind}", value.astype(np.float32).reshape(shape))
        for kind, value in zip(("scale", "shift"), affine, strict=True)
    )
    scaled = f"{target}_scaled"
    draft.shapes[scaled] = draft.shapes[source]
    draft.replace(
        node,
        helper.make_node("Mul", [source, scale], [scaled], f"{node.name}_scale"),
        helper.make_node("Add", [scaled, shift], [target], f"{node.name}_shift"),
    )
    return True


def _variable_input(draft: Draft, node: NodeProto) -> str:
    """The one input of an affine node that is not constant, or an empty string."""
    if node.op_type == "BatchNormalization":
        return str(node.input[0])
    if node.op_type in ("Add", "Mul", "Sub", "Div"):
        variable = [name for name in node.input if name not in draft.constants]
        if len(variable) == 1 and (node.op_type in ("Add", "Mul") or variable[0] == node.input[0]):
            return str(variable[0])
    return ""


def _channel_affine(draft: Draft, node: NodeProto, channels: int, rank: int) -> tuple[Array, Array] | None:
    """(scale, shift), float64 [channels], of a node that computes ``scale · x + shift`` along axis 1."""
    if node.op_type == "BatchNormalization":
        if attributes(node).get("training_mode", 0) or len(node.output) > 1:
            return None
        values = [draft.constant(node, position) for position in range(1, 5)]
        gamma, beta, mean, variance = (None if value is None else value.astype(np.float64) for value in values)
        if gamma is None or beta is None or mean is None or variance is None:
            return None
        scale = gamma / np.sqrt(variance + attributes(node).get("epsilon", 1e-5))
        return scale, beta - mean * scale
    constant = next(draft.constants[name] for name in node.input if name in draft.constants).astype(np.float64)
    if constant.ndim > rank:
        return None
    per_axis = constant.reshape([1] * (rank - constant.ndim) + list(constant.shape))
    if rank < 2 or per_axis.size not in (1, channels) or per_axis.shape[1] != per_axis.size:
        return None
    vector = np.broadcast_to(per_axis.reshape(-1), (channels,))
    one, zero = np.ones(channels), np.zeros(channels)
    if node.op_type in ("Add", "Sub"):
        return one, vector if node.op_type == "Add" else -vector
    return (vector if node.op_type == "Mul" else 1 / vector), zero


def _set_attributes(node: NodeProto, **values: Any) -> None:
    """Set attributes of a node; None removes one."""
    from onnx import helper

    kept = [item for item in node.attribute if item.name not in values]
    fresh = [helper.make_attribute(name, value) for name, value in values.items() if value is not None]
    del node.attribute[:]
    node.attribute.extend([*kept, *fresh])


CANONICAL = (
    remove_identity,
    explicit_padding,
    absorb_padding,
    clip_to_relu,
    mean_to_pool,
    matmul_to_gemm,
    plain_gemm,
    absorb_affine,
)
