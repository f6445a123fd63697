"""Constant folding: what does not depend on the model's input is computed once, by ONNX's own reference operators."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.graph.draft import Draft
from edgekit.graph.messages import OWN, Array, attributes

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

MAX_FOLDED_BYTES = 64 << 20
"""Larger constants stay computed: folding must not blow a small file up."""
KEPT = frozenset({"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "If", "Loop", "Scan"})
RANDOM = frozenset(
    {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"}
)


def fold_constants(draft: Draft) -> None:
    """Replace every node whose inputs are all constant by its value, and ``Shape`` of a known shape.

    Shapes are inferred again while new constants appear, since these may be the sizes that were missing.
    """
    found = -1
    while found != len(draft.constants):
        found = len(draft.constants)
        draft.infer()
        for node in draft.nodes:
            if fold_node(draft, node):
                draft.remove(node)
    draft.drop_unused()


def folded(model: ModelProto) -> ModelProto:
    """The model with ``fold_constants`` done; itself if there is nothing to fold."""
    draft = Draft.from_model(model)
    nodes = len(draft.nodes)
    fold_constants(draft)
    draft.values.clear()  # every reader infers them, and they cost bytes
    return draft.to_model() if len(draft.nodes) < nodes else model


def fold_node(draft: Draft, node: NodeProto) -> bool:
    """Compute one node into ``draft.constants`` if that can be done; the node itself stays."""
    if node.op_type == "Shape" and node.input[0] not in draft.constants:
        return node.input[0] in draft.shapes and _fold_shape(draft, node)
    names = [name for name in node.input if name]
    if node.op_type in KEPT | RANDOM or node.domain not in OWN or any(map(draft.is_output, node.output)):
        return False
    if any(name not in draft.constants for name in names) or not _is_small(draft, node):
        return False
    values = _evaluate(draft, node, names)
    if values is None:
        return False
    draft.constants.update(zip(filter(None, node.output), values, strict=True))
    return True


def _fold_shape(draft: Draft, node: NodeProto) -> bool:
    shape = draft.shapes[node.input[0]]
    options = attributes(node)
    part = shape[options.get("start", 0) : options.get("end", len(shape))]
    if any(size < 0 for size in part) or draft.is_output(node.output[0]):
        return False
    draft.constants[node.output[0]] = np.asarray(part, np.int64)
    return True


def _is_small(draft: Draft, node: NodeProto) -> bool:
    """True if all results are known to stay below the limit: a few bytes of ConstantOfShape may ask for terabytes."""
    if node.op_type == "Constant":
        return True
    shapes = [draft.shapes.get(name, (-1,)) for name in node.output if name]
    return all(min(shape, default=1) >= 0 and math.prod(shape) * 8 <= MAX_FOLDED_BYTES for shape in shapes)


def computed(draft: Draft, node: NodeProto, given: Mapping[str, Array]) -> list[Any]:
    """The outputs of one node by ONNX's own reference, for its inputs by name."""
    from onnx import helper
    from onnx.reference import ReferenceEvaluator

    kinds = {name: helper.np_dtype_to_tensor_dtype(array.dtype) for name, array in given.items()}
    inputs = [helper.make_tensor_value_info(name, kind, None) for name, kind in kinds.items()]
    outputs = [helper.make_empty_tensor_value_info(name) for name in node.output if name]
    graph = helper.make_graph([node], "node", inputs, outputs)
    model = helper.make_model(graph, opset_imports=draft.template.opset_import)
    return list(ReferenceEvaluator(model).run(None, dict(given)))


def _evaluate(draft: Draft, node: NodeProto, names: list[str]) -> list[Array] | None:
    try:
        values = computed(draft, node, {name: draft.constants[name] for name in names})
    except Exception:  # an operator that the reference lacks or refuses is simply not folded
        return None
    arrays = all(isinstance(value, np.ndarray | np.generic) for value in values)
    return [np.asarray(value) for value in values] if arrays else None
