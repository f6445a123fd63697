"""Ways of resizing that TFLite lacks, as products: each axis of an image is resized by a constant matrix.

The pass is of the kind that ``edgekit.graph.passes`` describes.
"""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

import numpy as np

from edgekit.graph.constants import computed
from edgekit.graph.draft import Draft
from edgekit.graph.messages import Array, attributes, make_node

if TYPE_CHECKING:
    from onnx import NodeProto

KEPT = ("mode", "coordinate_transformation_mode", "cubic_coeff_a", "exclude_outside", "antialias")
"""The attributes by which an axis is resized on its own."""


def resize_by_products(draft: Draft, node: NodeProto) -> bool:
    """A cubic Resize, and one that smooths what it makes smaller, is an Einsum with a matrix for each axis."""
    if node.op_type != "Resize":
        return False
    options, source, target = attributes(node), node.input[0], node.output[0]
    shape, wanted = draft.shapes.get(source, ()), draft.shapes.get(target, ())
    is_own = options.get("mode") == "cubic" or options.get("antialias")
    by_box = options.get("coordinate_transformation_mode") == "tf_crop_and_resize"
    given = [draft.constant(node, position) for position in (2, 3)]
    if not is_own or by_box or options.get("keep_aspect_ratio_policy", "stretch") != "stretch":
        return False
    if len(shape) != len(wanted) or all(value is None for value in given):
        return False
    scales = given[0] if given[0] is not None and given[0].size else None
    axes = [int(axis) % len(shape) for axis in options.get("axes", range(len(shape)))]
    factors = {} if scales is None else dict(zip(axes, scales.tolist(), strict=True))
    labels = string.ascii_lowercase[: len(shape)]
    for axis in (axis for axis in range(len(shape)) if shape[axis] != wanted[axis]):
        matrix = _matrix(draft, node, shape[axis], wanted[axis], factors.get(axis))
        name = draft.add_constant(f"{target}_matrix", matrix)
        shape = (*shape[:axis], wanted[axis], *shape[axis + 1 :])
        equation = f"{labels},Z{labels[axis]}->{labels.replace(labels[axis], 'Z')}"
        source = draft.put("Einsum", [source, name], f"{target}_resized", shape, equation=equation)
    draft.replace(node, make_node("Identity", [source], [target], node.name))
    return True


def _matrix(draft: Draft, node: NodeProto, size: int, wanted: int, factor: float | None) -> Array:
    """float32 [wanted, size]: how much of each value is in each of the result, by ONNX's own reference."""
    options = {name: value for name, value in attributes(node).items() if name in KEPT}
    if factor is None:
        inputs, sizes = ["x", "", "", "s"], np.asarray([wanted, size], np.int64)
    else:
        inputs, sizes = ["x", "", "s"], np.asarray([factor, 1], np.float32)
    given: dict[str, Array] = {"x": np.eye(size, dtype=np.float32), "s": sizes}
    (found,) = computed(draft, make_node("Resize", inputs, ["y"], **options), given)
    return np.asarray(found, np.float32)
