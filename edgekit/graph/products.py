"""Matrix products: with constant weights they are fully-connected layers (Gemm), between two values they are MatMul.

Each pass is of the kind that ``edgekit.graph.passes`` describes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from edgekit.graph.draft import Draft
from edgekit.graph.messages import attributes, make_node

if TYPE_CHECKING:
    from onnx import NodeProto


def matmul_to_gemm(draft: Draft, node: NodeProto) -> bool:
    """A MatMul with constant weights is a Gemm over the rows of its input."""
    if node.op_type != "MatMul":
        return False
    weights, shape = draft.constant(node, 1), draft.shapes.get(node.input[0], ())
    if weights is None or weights.ndim != 2 or len(shape) < 2 or node.input[0] in draft.constants:
        return False
    if len(shape) == 2:
        draft.replace(node, make_node("Gemm", list(node.input), list(node.output), node.name))
        return True
    source, target, result = node.input[0], node.output[0], (*shape[:-1], weights.shape[1])
    sizes = (math.prod(shape[:-1]), shape[-1])
    rows_shape, result_shape = (draft.add_integers(f"{target}_sizes", value) for value in (sizes, result))
    rows = draft.put("Reshape", [source, rows_shape], f"{source}_rows", sizes)
    products = draft.put("Gemm", [rows, node.input[1]], f"{target}_rows", (sizes[0], weights.shape[1]), name=node.name)
    draft.replace(node, make_node("Reshape", [products, result_shape], [target]))
    return True


def bias_before_reshape(draft: Draft, node: NodeProto) -> bool:
    """A vector added to the rows of a Gemm after they were put back in shape is the Gemm's bias."""
    if node.op_type != "Add":
        return False
    constant = next((draft.constants[name] for name in node.input if name in draft.constants), None)
    reshape = next((draft.producer(name) for name in node.input if name not in draft.constants), None)
    if constant is None or reshape is None or reshape.op_type != "Reshape":
        return False
    gemm = draft.own_maker(reshape.input[0], ["Gemm"])
    if gemm is None or len(gemm.input) > 2:
        return False
    outputs, shape = draft.shapes[gemm.output[0]][-1], draft.shapes[reshape.output[0]]
    is_row = constant.shape[-1:] == (outputs,) and constant.size == outputs and constant.ndim <= len(shape)
    if not is_row or shape[-1] != outputs or draft.only_use(reshape.output[0]) is None:
        return False
    draft.set_inputs(gemm, [*gemm.input, draft.add_constant(f"{gemm.output[0]}_bias", constant.reshape(-1))])
    return draft.bypass(node, reshape.output[0])


def variable_gemm(draft: Draft, node: NodeProto) -> bool:
    """A Gemm of two values is a MatMul, with its factors and its third operand made explicit."""
    if node.op_type != "Gemm" or node.input[1] in draft.constants:
        return False
    options = attributes(node)
    names, target = list(node.input), node.output[0]
    for position, turned in enumerate(("transA", "transB")):
        if options.get(turned):
            name = names[position]
            names[position] = draft.put("Transpose", [name], f"{name}_turned", draft.shapes[name][::-1], perm=[1, 0])
    draft.remove(node)
    terms = [draft.put("MatMul", names[:2], f"{target}_product", draft.shapes[target], name=node.name), *names[2:]]
    for position, factor in enumerate((options.get("alpha", 1.0), options.get("beta", 1.0))):
        if factor != 1.0 and position < len(terms) and (name := terms[position]):
            number = draft.add_constant(f"{name}_factor", np.asarray(factor, np.float32))
            terms[position] = draft.put("Mul", [name, number], f"{name}_scaled", draft.shapes[name])
    if len(terms) == 2 and terms[1]:
        draft.add(make_node("Add", terms, [target]))
    else:
        last = draft.producer(terms[0])
        assert last is not None
        draft.replace(last, make_node(last.op_type, last.input, [target], last.name))
    return True


def turned_gemm(draft: Draft, node: NodeProto) -> bool:
    """``transA`` of a Gemm with constant weights becomes a Transpose."""
    if node.op_type != "Gemm" or not attributes(node).get("transA") or node.input[0] in draft.constants:
        return False
    source = node.input[0]
    turned = draft.put("Transpose", [source], f"{source}_turned", draft.shapes[source][::-1], perm=[1, 0])
    options = {**attributes(node), "transA": 0}
    draft.replace(node, make_node("Gemm", [turned, *node.input[1:]], node.output, node.name, **options))
    return True


PRODUCTS = (matmul_to_gemm, bias_before_reshape, variable_gemm, turned_gemm)
