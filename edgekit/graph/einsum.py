"""Einsum as the operators that runtimes have: MatMul, Mul and ReduceSum between a Transpose and a Reshape or two.

The pass is of the kind that ``edgekit.graph.passes`` describes.
"""

from __future__ import annotations

import math
import string
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from edgekit.graph.draft import Draft
from edgekit.graph.messages import attributes, make_node
from edgekit.graph.moves import reshaped

if TYPE_CHECKING:
    from onnx import NodeProto

Term = tuple[str, str]
"""A value, and a label for each of its axes."""
ELLIPSIS = "..."
FEW = 2
"""Axes of stacked matrices that are left as they are; of more of them one axis is made."""


def einsum(draft: Draft, node: NodeProto) -> bool:
    """An Einsum is a chain of products of two values. One that takes a diagonal or stretches an axis stays."""
    if node.op_type != "Einsum":
        return False
    names = list(node.input)
    labels, result = _labels(attributes(node)["equation"], [len(draft.shapes[name]) for name in names])
    terms = list(zip(names, labels, strict=True))
    sizes = dict(size for term in terms for size in _sizes(draft, *term))
    stretched = any(sizes[label] != size for term in terms for label, size in _sizes(draft, *term))
    if stretched or any(len(set(axes)) < len(axes) for axes in labels):
        return False
    term = terms[0]
    for position, other in enumerate(terms[1:], start=2):
        term = _product(draft, node, term, other, {*result, *"".join(labels[position:])})
    name, axes = _summed(draft, *term, result)
    permutation = [axes.index(label) for label in result]
    draft.replace(node, make_node("Transpose", [name], node.output, node.name, perm=permutation or None))
    return True


def _labels(equation: str, ranks: Sequence[int]) -> tuple[list[str], str]:
    """(labels of each value's axes, labels of the result's); the axes of an ellipsis have digits."""
    given, arrow, result = equation.replace(" ", "").partition("->")
    terms = given.split(",")
    counts = [rank - len(term.replace(ELLIPSIS, "")) for term, rank in zip(terms, ranks, strict=True)]
    most = max((count for term, count in zip(terms, counts, strict=True) if ELLIPSIS in term), default=0)
    others = string.digits[:most]
    if not arrow:
        letters = sorted(set(given) - set(",."))
        result = ELLIPSIS * bool(most) + "".join(letter for letter in letters if given.count(letter) == 1)
    filled = [term.replace(ELLIPSIS, others[most - count :]) for term, count in zip(terms, counts, strict=True)]
    return filled, result.replace(ELLIPSIS, others)


def _sizes(draft: Draft, name: str, labels: str) -> list[tuple[str, int]]:
    return list(zip(labels, draft.shapes[name], strict=True))


def _product(draft: Draft, node: NodeProto, one: Term, other: Term, kept: Collection[str]) -> Term:
    """The product of two values, summed over all labels but those that are kept: over common ones it is a MatMul."""
    if one[0] in draft.constants:
        one, other = other, one
    (left, left_labels), (right, right_labels) = (
        _summed(draft, *term, {*kept, *against[1]}) for term, against in ((one, other), (other, one))
    )
    size = dict([*_sizes(draft, left, left_labels), *_sizes(draft, right, right_labels)])
    common = [label for label in left_labels if label in right_labels]
    stack, inner = [item for item in common if item in kept], [item for item in common if item not in kept]
    rows = [label for label in left_labels if label not in common]
    columns = [label for label in right_labels if label not in common]
    stacked = [size[label] for label in stack]
    if len(stacked) > FEW:
        stacked = [math.prod(stacked)]
    height, depth, width = (math.prod(size[label] for label in part) for part in (rows, inner, columns))
    left = _arranged(draft, left, left_labels, [*stack, *rows, *inner], [*stacked, height, depth])
    right = _arranged(draft, right, right_labels, [*stack, *inner, *columns], [*stacked, depth, width])
    operator = "MatMul" if inner else "Mul"
    wish, shape = f"{node.output[0]}_product", [*stacked, height, width]
    product = draft.put(operator, [left, right], wish, shape, name=node.name)
    labels = "".join([*stack, *rows, *columns])
    return reshaped(draft, product, [size[label] for label in labels]), labels


def _summed(draft: Draft, name: str, labels: str, kept: Collection[str]) -> Term:
    """The value without the labels that nothing needs."""
    axes = [axis for axis, label in enumerate(labels) if label not in kept]
    if not axes:
        return name, labels
    left = [axis for axis in range(len(labels)) if axis not in axes]
    shape = [draft.shapes[name][axis] for axis in left]
    inputs = [name, draft.add_integers(f"{name}_axes", axes)]
    return draft.put("ReduceSum", inputs, f"{name}_sum", shape, keepdims=0), "".join(labels[axis] for axis in left)


def _arranged(draft: Draft, name: str, labels: str, wanted: Sequence[str], shape: Sequence[int]) -> str:
    """The value with its axes in another order, and then in another shape; a constant is made anew."""
    permutation = [labels.index(label) for label in wanted]
    if name in draft.constants:
        return draft.add_constant(f"{name}_turned", draft.constants[name].transpose(permutation).reshape(shape))
    if permutation != sorted(permutation):
        sizes = [draft.shapes[name][axis] for axis in permutation]
        name = draft.put("Transpose", [name], f"{name}_turned", sizes, perm=permutation)
    return reshaped(draft, name, shape)
