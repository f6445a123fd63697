"""Rewrites of the layers with weights: Gemm in one form, and what is linear behind a layer put into its weights.

The passes are of the kind that ``edgekit.graph.passes`` describes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgekit.files import sha256_bytes
from edgekit.graph.draft import Draft
from edgekit.graph.messages import Array, attributes, make_node, set_attributes
from edgekit.operators import OPERATORS

if TYPE_CHECKING:
    from onnx import NodeProto


OUTPUT_AXES = {row.name: row.weights.axis for row in OPERATORS.values() if row.weights is not None}
"""The axis of the output channels in the weights of each layer."""


def plain_gemm(draft: Draft, node: NodeProto) -> bool:
    """Gemm becomes ``x · Wᵀ + b``: weights [outputs, inputs], one bias per output, no factors left."""
    options = attributes(node)
    constants = weights_and_bias(draft, node) if node.op_type == "Gemm" else None
    if constants is None or options.get("transA"):
        return False
    weights, bias = constants
    alpha, beta = options.get("alpha", 1.0), options.get("beta", 1.0)
    outputs = weights.shape[0 if options.get("transB") else 1]
    if options.get("transB") and alpha == beta == 1.0 and (bias is None or bias.shape == (outputs,)):
        return False
    if bias is not None and bias.size not in (1, outputs):
        return False
    matrix = weights if options.get("transB") else weights.T
    row = None if bias is None else np.broadcast_to(np.float32(beta) * bias.reshape(-1), (outputs,))
    set_layer(draft, node, node.output[0], np.float32(alpha) * matrix, row)
    set_attributes(node, alpha=None, beta=None, transB=1)
    return True


def absorb_affine(draft: Draft, node: NodeProto) -> bool:
    """A per-channel ``scale · x + shift`` behind a Conv or Gemm goes into its weights and bias.

    That is BatchNormalization (Jacob et al. 2018, section 3.2), and Mul, Div, Add or Sub with a constant.
    """
    source = _variable_input(draft, node)
    maker = draft.own_maker(source, OUTPUT_AXES)
    constants = weights_and_bias(draft, maker) if maker is not None else None
    if maker is None or constants is None:
        return False
    weights, bias = constants
    options = attributes(maker)
    if maker.op_type == "Gemm" and options.get("transB") != 1:
        return False
    axis = OUTPUT_AXES[maker.op_type]
    if axis == 1 and options.get("group", 1) != 1:
        return False
    channels = weights.shape[axis]
    affine = _channel_affine(draft, node, channels, len(draft.shapes.get(source, ())))
    if affine is None:
        return False
    scale, shift = affine
    old_bias = np.zeros(channels) if bias is None else bias.astype(np.float64)
    scaled = weights.astype(np.float64) * scale.reshape(*[1] * axis, -1, *[1] * (weights.ndim - 1 - axis))
    set_layer(draft, maker, node.output[0], scaled, old_bias * scale + shift)
    return draft.bypass(node, source)


def absorb_affine_before(draft: Draft, node: NodeProto) -> bool:
    """A per-channel ``scale · x + shift`` in front of a Conv goes into its weights, and the shift into its bias.

    A shift only where the convolution pads nothing: the padding would have to be ``-shift / scale`` instead of 0.
    """
    if node.op_type != "Conv" or draft.only_use(node.input[0]) is None:
        return False
    maker = draft.producer(node.input[0])
    source = _variable_input(draft, maker) if maker is not None else ""
    constants, options = weights_and_bias(draft, node), attributes(node)
    if maker is None or not source or constants is None:
        return False
    weights, bias = constants
    channels = draft.shapes[node.input[0]][1]
    affine = _channel_affine(draft, maker, channels, weights.ndim)
    if affine is None or draft.shapes.get(source) != draft.shapes[node.input[0]]:
        return False
    scale, shift = affine
    if shift.any() and (any(options.get("pads", [])) or options.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID")):
        return False
    groups = options.get("group", 1)
    per_filter = np.repeat(np.arange(groups), weights.shape[0] // groups)
    taps = (len(per_filter), channels // groups, *[1] * (weights.ndim - 2))
    exact = weights.astype(np.float64)
    scaled = exact * scale.reshape(groups, -1)[per_filter].reshape(taps)
    total = (exact * shift.reshape(groups, -1)[per_filter].reshape(taps)).reshape(len(per_filter), -1).sum(axis=1)
    old_bias = np.zeros(len(per_filter)) if bias is None else bias.astype(np.float64)
    set_layer(draft, node, node.output[0], scaled, old_bias + total if bias is not None or shift.any() else None)
    draft.set_input(node, 0, source)
    draft.remove(maker)
    return True


def share_weights(draft: Draft) -> None:
    """Layers of equal weights read one constant: what a network computes twice has got its own by absorbing."""
    known: dict[tuple[object, ...], str] = {}
    for node in draft.nodes:
        weights = draft.constant(node, 1) if node.op_type in OUTPUT_AXES else None
        if weights is not None:
            key = (weights.dtype, weights.shape, sha256_bytes(weights.tobytes()))
            draft.set_input(node, 1, known.setdefault(key, node.input[1]))
    draft.drop_unused()


def multiply_by_reciprocal(draft: Draft, node: NodeProto) -> bool:
    """Division by a constant is multiplication, and subtraction of one is addition: these have integer kernels."""
    if node.op_type not in ("Div", "Sub") or node.input[0] in draft.constants:
        return False
    constant = draft.constant(node, 1)
    if constant is None or constant.dtype != np.float32 or (node.op_type == "Div" and not constant.all()):
        return False
    value = 1 / constant.astype(np.float64) if node.op_type == "Div" else -constant
    if not np.isfinite(value).all():
        return False
    name = draft.add_constant(f"{node.output[0]}_operand", np.asarray(value, np.float32))
    node.op_type = "Mul" if node.op_type == "Div" else "Add"
    draft.set_input(node, 1, name)
    return True


def expand_batch_norm(draft: Draft, node: NodeProto) -> bool:
    """A BatchNormalization that no convolution can absorb becomes a Mul and an Add per channel."""
    if node.op_type != "BatchNormalization":
        return False
    source, target = node.input[0], node.output[0]
    channels, rank = draft.shapes[source][1], len(draft.shapes[source])
    affine = _channel_affine(draft, node, channels, rank)
    if affine is None:
        return False
    shape = (1, channels, *[1] * (rank - 2))
    scale, shift = (
        draft.add_constant(f"{target}_{kind}", value.astype(np.float32).reshape(shape))
        for kind, value in zip(("scale", "shift"), affine, strict=True)
    )
    scaled = draft.put("Mul", [source, scale], f"{target}_scaled", draft.shapes[source], name=f"{node.name}_scale")
    draft.replace(node, make_node("Add", [scaled, shift], [target], f"{node.name}_shift"))
    return True


def weights_and_bias(draft: Draft, node: NodeProto) -> tuple[Array, Array | None] | None:
    """The constant weights and the constant bias, if there is one, of a layer; None if it computes either."""
    weights, bias = draft.constant(node, 1), draft.constant(node, 2)
    return None if weights is None or draft.computes(node, 2) else (weights, bias)


def set_layer(draft: Draft, node: NodeProto, wish: str, weights: Array, bias: Array | None) -> None:
    """Give a layer other weights and another bias, stored in float32 under the name ``wish``, or none."""
    parts = {"weight": weights} if bias is None else {"weight": weights, "bias": bias}
    names = [draft.add_constant(f"{wish}_{kind}", value.astype(np.float32)) for kind, value in parts.items()]
    draft.set_inputs(node, [node.input[0], *names])


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
