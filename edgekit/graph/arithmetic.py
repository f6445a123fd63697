"""Rewrites of arithmetic that leave fewer kinds of operators, and those with an int8 form.

The passes are of the kind that ``edgekit.graph.passes`` describes. They come last: patterns are written in the forms
that they replace.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from edgekit.graph.draft import Draft
from edgekit.graph.layers import set_layer, weights_and_bias
from edgekit.graph.messages import attributes, make_node, set_attributes

if TYPE_CHECKING:
    from onnx import NodeProto

CHAINED = {"Sum": "Add", "Max": "Max", "Min": "Min"}


def chain_of_two(draft: Draft, node: NodeProto) -> bool:
    """A Sum, Max or Min of several values works on two at a time."""
    if node.op_type not in CHAINED or len(node.input) < 2 or (node.op_type != "Sum" and len(node.input) == 2):
        return False
    operator, source, last = CHAINED[node.op_type], node.input[0], node.input[-1]
    for position, name in enumerate(node.input[1:-1], start=1):
        shape = np.broadcast_shapes(draft.shapes[source], draft.shapes[name])
        wish, label = f"{node.output[0]}_of_{position + 1}", f"{node.name}_{position}"
        source = draft.put(operator, [source, name], wish, shape, name=label)
    draft.replace(node, make_node(operator, [source, last], node.output, node.name))
    return True


def multiply_by_minus_one(draft: Draft, node: NodeProto) -> bool:
    """``-x`` is ``-1 · x``: MUL has an int8 form, NEG has none."""
    if node.op_type != "Neg" or not draft.is_float(node.input[0]):
        return False
    minus_one = draft.add_constant(f"{node.output[0]}_minus_one", np.asarray(-1, np.float32))
    draft.replace(node, make_node("Mul", [node.input[0], minus_one], list(node.output), node.name))
    return True


def elu_by_parts(draft: Draft, node: NodeProto) -> bool:
    """An Elu with another factor than 1 below 0 is one with 1 whose parts are scaled: those have forms in integers."""
    alpha = attributes(node).get("alpha", 1.0) if node.op_type == "Elu" else 1.0
    if alpha == 1:
        return False
    source, target = node.input[0], node.output[0]
    shape, number = draft.shapes[source], partial(_number, draft, target)
    curve = draft.put("Elu", [source], f"{target}_curve", shape)
    below = draft.put("Clip", [curve, "", number("zero", 0.0)], f"{target}_below", shape)
    scaled = draft.put("Mul", [below, number("alpha", alpha)], f"{target}_scaled", shape)
    above = draft.put("Relu", [curve], f"{target}_above", shape)
    draft.replace(node, make_node("Add", [scaled, above], [target], node.name))
    return True


def hard_sigmoid_by_parts(draft: Draft, node: NodeProto) -> bool:
    """A HardSigmoid whose offset is beyond what it may result in has no form in integers; its parts have."""
    beta = attributes(node).get("beta", 0.5) if node.op_type == "HardSigmoid" else 0.5
    if 0 <= beta <= 1:
        return False
    source, target = node.input[0], node.output[0]
    shape, number = draft.shapes[source], partial(_number, draft, target)
    slope = attributes(node).get("alpha", 0.2)
    scaled = draft.put("Mul", [source, number("alpha", slope)], f"{target}_scaled", shape)
    shifted = draft.put("Add", [scaled, number("beta", beta)], f"{target}_shifted", shape)
    draft.replace(node, make_node("Clip", [shifted, number("zero", 0.0), number("one", 1.0)], [target], node.name))
    return True


def _number(draft: Draft, target: str, kind: str, value: float) -> str:
    return draft.add_constant(f"{target}_{kind}", np.asarray(value, np.float32))


def plain_power(draft: Draft, node: NodeProto) -> bool:
    """``x ** 2`` is ``x · x`` and ``x ** 0.5`` is a square root."""
    exponent = draft.constant(node, 1) if node.op_type == "Pow" else None
    if exponent is None or exponent.size != 1 or exponent.ndim > len(draft.shapes.get(node.input[0], ())):
        return False
    source, outputs = node.input[0], list(node.output)
    if exponent.item() == 2:
        draft.replace(node, make_node("Mul", [source, source], outputs, node.name))
    elif exponent.item() == 0.5:
        draft.replace(node, make_node("Sqrt", [source], outputs, node.name))
    else:
        return False
    return True


def one_slope(draft: Draft, node: NodeProto) -> bool:
    """A PRelu with one slope for all channels is a LeakyRelu, whose int8 form XNNPACK has."""
    slope = draft.constant(node, 1) if node.op_type == "PRelu" else None
    if slope is None or slope.size == 0 or np.unique(slope).size != 1:
        return False
    alpha = float(slope.reshape(-1)[0])
    draft.replace(node, make_node("LeakyRelu", [node.input[0]], list(node.output), node.name, alpha=alpha))
    return True


def shuffled_in_weights(draft: Draft, node: NodeProto) -> bool:
    """A DepthToSpace in column-row-depth order behind a convolution takes its channels in depth-column-row order."""
    if node.op_type != "DepthToSpace" or attributes(node).get("mode", "DCR") != "CRD":
        return False
    maker = draft.own_maker(node.input[0], ["Conv"])
    constants = weights_and_bias(draft, maker) if maker is not None else None
    if maker is None or constants is None or attributes(maker).get("group", 1) != 1:
        return False
    weights, bias = constants
    block = attributes(node)["blocksize"]
    order = np.arange(len(weights)).reshape(-1, block * block).T.reshape(-1)
    set_layer(draft, maker, maker.output[0], weights[order], None if bias is None else bias[order])
    set_attributes(node, mode="DCR")
    return True


ARITHMETIC = (
    multiply_by_minus_one,
    plain_power,
    one_slope,
    shuffled_in_weights,
    elu_by_parts,
    hard_sigmoid_by_parts,
)
