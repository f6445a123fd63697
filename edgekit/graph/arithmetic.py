"""Rewrites of arithmetic that leave fewer kinds of operators, and those with an int8 form.

The passes are of the kind that ``edgekit.graph.passes`` describes. They come last: patterns are written in the forms
that they replace.
"""

from __future__ import annotations

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
    from onnx import TensorProto

    if node.op_type != "Neg" or draft.type_of(node.input[0]) != TensorProto.FLOAT:
        return False
    minus_one = draft.add_constant(f"{node.output[0]}_minus_one", np.asarray(-1, np.float32))
    draft.replace(node, make_node("Mul", [node.input[0], minus_one], list(node.output), node.name))
    return True


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


ARITHMETIC = (multiply_by_minus_one, plain_power, one_slope, shuffled_in_weights)
