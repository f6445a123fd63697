"""Reading and writing at indices in the forms that runtimes share: Gather, plain GatherND, TopK of the largest.

Each pass is of the kind that ``edgekit.graph.passes`` describes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from edgekit.graph.draft import Draft
from edgekit.graph.messages import Array, attributes, make_node
from edgekit.graph.moves import reshaped

if TYPE_CHECKING:
    from onnx import NodeProto


def gather_elements(draft: Draft, node: NodeProto) -> bool:
    """A GatherElements is a GatherND whose indices name the place on all axes."""
    if node.op_type != "GatherElements":
        return False
    name = node.input[1]
    shape = draft.shapes[name]
    axis = attributes(node).get("axis", 0) % len(shape)
    if name in draft.constants:
        column = draft.add_constant(f"{name}_column", draft.constants[name][..., None])
    else:
        column = draft.put("Unsqueeze", [name, draft.add_integers(f"{name}_last", [-1])], f"{name}_column", (*shape, 1))
    before, after = (_places(draft, name, shape, axes) for axes in (range(axis), range(axis + 1, len(shape))))
    where = _joined(draft, [*before, column, *after], name)
    draft.replace(node, make_node("GatherND", [node.input[0], where], node.output, node.name))
    return True


def gather_batches(draft: Draft, node: NodeProto) -> bool:
    """A GatherND in each part of a batch is one over all of it, whose indices begin with the place in the batch."""
    batches = attributes(node).get("batch_dims", 0) if node.op_type == "GatherND" else 0
    if not batches:
        return False
    name = node.input[1]
    where = _joined(draft, [*_places(draft, name, draft.shapes[name][:-1], range(batches)), name], name)
    draft.replace(node, make_node("GatherND", [node.input[0], where], node.output, node.name))
    return True


def smallest_values(draft: Draft, node: NodeProto) -> bool:
    """The smallest values are the largest of the negative ones."""
    if node.op_type != "TopK" or attributes(node).get("largest", 1):
        return False
    source, (values, places) = node.input[0], node.output
    negative = draft.put("Neg", [source], f"{source}_negative", draft.shapes[source])
    draft.remove(node)
    found = draft.new_name(f"{values}_negative")
    draft.shapes[found] = draft.shapes[values]
    options = {**attributes(node), "largest": 1}
    draft.add(make_node("TopK", [negative, node.input[1]], [found, places], node.name, **options))
    draft.add(make_node("Neg", [found], [values]))
    return True


def scatter_elements(draft: Draft, node: NodeProto) -> bool:
    """A ScatterElements at constant indices is a ScatterND whose indices name the place on all axes."""
    indices = draft.constant(node, 1) if node.op_type == "ScatterElements" else None
    if indices is None:
        return False
    options = attributes(node)
    axis = options.pop("axis", 0) % indices.ndim
    places = np.indices(indices.shape)
    places[axis] = indices % draft.shapes[node.input[0]][axis]
    where = draft.add_constant(f"{node.input[1]}_places", np.moveaxis(places, 0, -1).astype(np.int64))
    inputs = [node.input[0], where, node.input[2]]
    draft.replace(node, make_node("ScatterND", inputs, node.output, node.name, **options))
    return True


def scatter_at_constants(draft: Draft, node: NodeProto) -> bool:
    """A ScatterND at constant indices takes each row from the data or from the updates.

    Rows that follow each other along one axis are put between two parts of the data.
    """
    indices = draft.constant(node, 1) if node.op_type == "ScatterND" else None
    if indices is None or attributes(node).get("reduction", "none") != "none":
        return False
    (data, _, updates), target = node.input, node.output[0]
    shape, width = draft.shapes[data], indices.shape[-1]
    count, row = math.prod(shape[:width]), shape[width:]
    flat = np.ravel_multi_index(tuple(np.moveaxis(indices % shape[:width], -1, 0).reshape(width, -1)), shape[:width])
    taken = np.arange(count)
    taken[flat] = count + np.arange(flat.size)
    if _between(draft, node, taken.reshape(shape[:width]), flat.size):
        return True
    rows = [reshaped(draft, name, (size, *row)) for name, size in ((data, count), (updates, flat.size))]
    both = draft.put("Concat", rows, f"{target}_both", (count + flat.size, *row), axis=0)
    chosen = draft.put(
        "Gather", [both, draft.add_integers(f"{target}_rows", taken.tolist())], f"{target}_flat", (count, *row)
    )
    sizes = draft.add_integers(f"{target}_sizes", shape)
    draft.replace(node, make_node("Reshape", [chosen, sizes], [target], node.name))
    return True


def _between(draft: Draft, node: NodeProto, taken: Array, updated: int) -> bool:
    """Write a ScatterND as Concat(data before, updates, data after) where it is that; ``taken`` as indices of rows."""
    (data, _, updates), target, shape = node.input, node.output[0], draft.shapes[node.input[0]]
    first = taken.size
    for axis in range(taken.ndim):
        others = tuple(other for other in range(taken.ndim) if other != axis)
        (places,) = np.nonzero((taken >= first).all(axis=others))
        if not places.size or len(places) * taken.size != updated * taken.shape[axis]:
            continue
        low, high = int(places[0]), int(places[-1]) + 1
        part = taken.take(range(low, high), axis)
        if high - low != len(places) or (part.reshape(-1) != first + np.arange(updated)).any():
            continue
        sizes = (*shape[:axis], high - low, *shape[axis + 1 :])
        pieces = [_part(draft, data, axis, 0, low), reshaped(draft, updates, sizes)]
        pieces = [*pieces, _part(draft, data, axis, high, shape[axis])]
        draft.replace(node, make_node("Concat", filter(None, pieces), [target], node.name, axis=axis))
        return True
    return False


def _part(draft: Draft, name: str, axis: int, start: int, end: int) -> str:
    """The values from one index of an axis to another; no name where there are none."""
    if start == end:
        return ""
    shape = draft.shapes[name]
    bounds = [draft.add_integers(f"{name}_{kind}", [value]) for kind, value in (("start", start), ("end", end))]
    inputs = [name, *bounds, draft.add_integers(f"{name}_axis", [axis])]
    return draft.put("Slice", inputs, f"{name}_part", (*shape[:axis], end - start, *shape[axis + 1 :]))


def _places(draft: Draft, wish: str, shape: Sequence[int], axes: Sequence[int]) -> list[str]:
    """Constants int64 [*shape, 1]: the index of each place on each of some axes, all in one; none for no axes."""
    if not axes:
        return []
    found = np.stack([np.indices(shape)[axis] for axis in axes], axis=-1)
    return [draft.add_constant(f"{wish}_places", found.astype(np.int64))]


def _joined(draft: Draft, parts: Sequence[str], wish: str) -> str:
    """Indices whose columns lie in several values, as one."""
    if all(part in draft.constants for part in parts):
        return draft.add_constant(f"{wish}_joined", np.concatenate([draft.constants[part] for part in parts], -1))
    shapes = [draft.shapes[part] for part in parts]
    size = sum(shape[-1] for shape in shapes)
    return draft.put("Concat", parts, f"{wish}_joined", (*shapes[0][:-1], size), axis=-1)


INDEXING = (gather_elements, gather_batches, smallest_values, scatter_elements, scatter_at_constants)
