"""Operators that only move values: what does nothing goes, and chains of one kind become one.

Each pass is of the kind that ``edgekit.graph.passes`` describes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from edgekit.graph.draft import Draft
from edgekit.graph.messages import attributes, make_node
from edgekit.operators import operators_that

if TYPE_CHECKING:
    from onnx import NodeProto

RESHAPES = operators_that(lambda row: row.reshapes)
SHAPED = frozenset({*RESHAPES, "Expand", "Tile"})
"""Operators that do nothing where input and result have the same shape."""


def remove_still(draft: Draft, node: NodeProto) -> bool:
    """A Reshape, Expand, Slice and the like to the shape that is there, and a Transpose that keeps the order."""
    if not node.input:
        return False
    source, target = draft.shapes.get(node.input[0]), draft.shapes.get(node.output[0])
    if node.op_type == "Transpose":
        permutation = attributes(node).get("perm")
        still = permutation is not None and list(permutation) == sorted(permutation)
    elif node.op_type in ("Slice", "Pad"):
        still = source == target and _is_whole(draft, node)
    else:
        still = node.op_type in SHAPED and source is not None and source == target
    return still and draft.bypass(node, node.input[0])


def gather_all(draft: Draft, node: NodeProto) -> bool:
    """A Gather of every place in order is a Reshape; torch writes one where it pools what is stored channels last."""
    places, shape = draft.constant(node, 1), draft.shapes.get(node.input[0]) if node.input else None
    if node.op_type != "Gather" or places is None or shape is None:
        return False
    size = shape[attributes(node).get("axis", 0)]
    if not np.array_equal(np.where(places < 0, places + size, places).reshape(-1), np.arange(size)):
        return False
    sizes = draft.add_integers(f"{node.output[0]}_sizes", draft.shapes[node.output[0]])
    draft.replace(node, make_node("Reshape", [node.input[0], sizes], node.output, node.name))
    return True


def one_reshape(draft: Draft, node: NodeProto) -> bool:
    """A Reshape of a Reshape is one Reshape."""
    inner = draft.own_maker(node.input[0], RESHAPES) if node.op_type in RESHAPES else None
    shape = draft.shapes.get(node.output[0], (-1,))
    if inner is None or min(shape, default=1) < 1:
        return False
    sizes = draft.add_integers(f"{node.output[0]}_sizes", shape)
    draft.replace(node, make_node("Reshape", [inner.input[0], sizes], node.output, node.name))
    draft.remove(inner)
    return True


def one_transpose(draft: Draft, node: NodeProto) -> bool:
    """A Transpose of a Transpose is one Transpose."""
    inner = draft.own_maker(node.input[0], ["Transpose"]) if node.op_type == "Transpose" else None
    if inner is None:
        return False
    first, second = (attributes(item).get("perm") for item in (inner, node))
    if first is None or second is None:
        return False
    permutation = [first[axis] for axis in second]
    draft.replace(node, make_node("Transpose", [inner.input[0]], list(node.output), node.name, perm=permutation))
    draft.remove(inner)
    return True


def one_slice(draft: Draft, node: NodeProto) -> bool:
    """A Slice of a Slice along other axes is one Slice."""
    inner = draft.own_maker(node.input[0], ["Slice"]) if node.op_type == "Slice" else None
    if inner is None:
        return False
    first, second = slice_of(draft, inner), slice_of(draft, node)
    if first is None or second is None or set(first[2]) & set(second[2]):
        return False
    target = node.output[0]
    parts = zip(("starts", "ends", "axes", "steps"), first, second, strict=True)
    names = [draft.add_integers(f"{target}_{kind}", [*one, *other]) for kind, one, other in parts]
    draft.replace(node, make_node("Slice", [inner.input[0], *names], [target], node.name))
    draft.remove(inner)
    return True


def padded(draft: Draft, source: str, pads: Sequence[int]) -> str:
    """The value with zeros around it: amounts before each of its last axes, then those after them."""
    shape = draft.shapes[source]
    amounts = np.zeros((2, len(shape)), np.int64)
    amounts[:, -len(pads) // 2 :] = np.reshape(pads, (2, -1))
    pads_name = draft.add_constant(f"{source}_pads", amounts.reshape(-1))
    return draft.put("Pad", [source, pads_name], f"{source}_padded", (shape + amounts.sum(axis=0)).tolist())


def reshaped(draft: Draft, name: str, shape: Sequence[int]) -> str:
    """The value with other axes; itself if it has them."""
    if draft.shapes[name] == tuple(shape):
        return name
    return draft.put("Reshape", [name, draft.add_integers(f"{name}_sizes", shape)], f"{name}_reshaped", shape)


def _is_whole(draft: Draft, node: NodeProto) -> bool:
    """True for a Slice with steps of 1 and a Pad by nothing, given that the shape stays."""
    if node.op_type == "Slice":
        found = slice_of(draft, node)
        return found is not None and all(step == 1 for step in found[3])
    amounts = draft.constant(node, 1)
    return amounts is not None and not amounts.any()


def slice_of(draft: Draft, node: NodeProto) -> tuple[list[int], list[int], list[int], list[int]] | None:
    """(starts, ends, axes, steps) of a constant Slice, axes counted from the front."""
    starts, ends = draft.constant(node, 1), draft.constant(node, 2)
    rank = len(draft.shapes.get(node.input[0], ()))
    if starts is None or ends is None or not rank:
        return None
    if draft.computes(node, 3) or draft.computes(node, 4):
        return None
    axes, steps = draft.constant(node, 3), draft.constant(node, 4)
    counted = range(len(starts)) if axes is None else (int(axis) % rank for axis in axes)
    return starts.tolist(), ends.tolist(), list(counted), [1] * len(starts) if steps is None else steps.tolist()


MOVES = (remove_still, gather_all, one_reshape, one_transpose, one_slice)
