"""From any exporter's ONNX file to the one float form that quantization and lowering start from.

Static shapes with batch 1, float32, no constants left to compute, BatchNormalization in the weights, explicit padding,
``Gemm`` as ``x · Wᵀ + b``: what the passes of ``edgekit.graph.passes`` say.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from edgekit.errors import UnsupportedError
from edgekit.graph.constants import fold_constants
from edgekit.graph.cut import end_before
from edgekit.graph.draft import Draft, run_passes
from edgekit.graph.inputs import fix_inputs
from edgekit.graph.layers import share_weights
from edgekit.graph.messages import OWN, attributes, complaint, constants_of, make_node, opset_version, set_attributes
from edgekit.graph.metadata import read_metadata, write_metadata
from edgekit.graph.passes import CANONICAL, LAST
from edgekit.runtimes.runtime import Shapes

if TYPE_CHECKING:
    from onnx import ModelProto

GRIDS = 11
"""The operator set from which on Resize says which grid it means."""
OLDEST = 20
"""The canonical forms of GELU, LayerNormalization and HardSwish are operators of set 20."""
NEWEST = 21
"""What came later are new types for old operators, and operators that are functions of older ones."""
PER_CHANNEL = 21
"""From this set on a GroupNormalization has a factor and a shift for each channel, not for each group."""
NEWER_FUNCTIONS = ("Swish", "RMSNormalization", "RotaryEmbedding", "Attention")


def prepare(model: ModelProto, shapes: Shapes | None = None, cut_at: str = "") -> ModelProto:
    """Bring a float model to the canonical form; the argument is left as it was.

    The result has operator set 20 or 21, IR version 10, batch 1 where the batch was open, every shape known, and
    initializers that are not listed as inputs. Its outputs equal the original's up to float32 rounding.

    Args:
        model: checked, float.
        shapes: the dimensions of inputs that leave more open than the batch, by the inputs' names.
        cut_at: a node before which the model ends (see ``end_before``); its metadata then say what is left to do.

    Raises:
        UnknownNameError: ``shapes`` names what is no input, or ``cut_at`` what is no node.
        ModelError: an input leaves another size than the batch open, or ``shapes`` contradicts what it fixes.
        UnsupportedError: the model's shapes depend on its data, it has control flow or operators of other sets than
            ONNX's own, a recurrent one is of a form that is not known, or its operator set cannot be converted.
    """
    from onnx import checker, inliner

    inlined = inliner.inline_local_functions(model) if model.functions else model
    draft = Draft.from_model(_convert_opset(inlined))
    rest = end_before(draft, cut_at) if cut_at else ""
    draft.drop_unused()
    _check_operators(draft)
    _to_float32(draft)
    _write_out_group_norms(draft)
    fix_inputs(draft, shapes or {})
    fold_constants(draft)
    _check_sizes(draft)
    run_passes(draft, CANONICAL)
    run_passes(draft, LAST)
    share_weights(draft)
    draft.shapes.clear()
    fold_constants(draft)
    draft.infer()
    _check_sizes(draft)
    prepared = draft.to_model()
    checker.check_model(prepared)
    return write_metadata(prepared, replace(read_metadata(prepared, ""), rest=rest)) if rest else prepared


def _convert_opset(model: ModelProto) -> ModelProto:
    from onnx import version_converter

    version = opset_version(model)
    if OLDEST <= version <= NEWEST:
        return model
    if version > NEWEST:
        return _without_newer_functions(model, version)
    try:
        return _with_old_grid(version_converter.convert_version(model, OLDEST), version)
    except Exception as exc:  # the native converter raises several unrelated types
        raise UnsupportedError(
            f"The model's operator set {version} cannot be converted ({complaint(exc)}); export it with opset {OLDEST}."
        ) from exc


def _with_old_grid(model: ModelProto, version: int) -> ModelProto:
    """Every Resize on the grid that it had before operator set 11, of which onnx's converter says nothing (#8480).

    The nearest pixel was the one below, and the one above where ONNX Runtime made a picture smaller.
    """
    constants = constants_of(model)
    for node in model.graph.node if version < GRIDS else ():
        if node.op_type == "Resize":
            scales = constants.get(node.input[2]) if len(node.input) > 2 else None
            nearest = "ceil" if scales is not None and (scales <= 1).all() else "floor"
            set_attributes(node, coordinate_transformation_mode="asymmetric", nearest_mode=nearest)
    return model


def _without_newer_functions(model: ModelProto, version: int) -> ModelProto:
    from onnx import defs, inliner

    result = deepcopy(model)
    for node in result.graph.node:
        if node.op_type in NEWER_FUNCTIONS and node.domain in OWN:
            # The inliner does not know of attributes that are left to their defaults.
            given = {item.name for item in node.attribute}
            known = defs.get_schema(node.op_type, version).attributes
            defaults = [item.default_value for name, item in known.items() if name not in given]
            node.attribute.extend(item for item in defaults if item.name)
    functions = [("", name) for name in NEWER_FUNCTIONS]
    result = inliner.inline_selected_functions(result, functions, inline_schema_functions=True)
    next(entry for entry in result.opset_import if entry.domain in OWN).version = NEWEST
    return result


def _to_float32(draft: Draft) -> None:
    """Half and double precision weights, inputs and casts become float32."""
    from onnx import TensorProto, helper, numpy_helper

    other = (TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16)
    for name, array in draft.constants.items():
        if helper.np_dtype_to_tensor_dtype(array.dtype) in other:
            draft.constants[name] = array.astype(np.float32)
    for value in (*draft.inputs, *draft.outputs):
        if value.type.tensor_type.elem_type in other:
            value.type.tensor_type.elem_type = TensorProto.FLOAT
    for node in draft.nodes:
        for item in node.attribute:
            if node.op_type == "Cast" and item.name == "to" and item.i in other:
                item.i = TensorProto.FLOAT
            if item.HasField("t") and item.t.data_type in other:
                item.t.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(item.t).astype(np.float32)))


def _write_out_group_norms(draft: Draft) -> None:
    """A GroupNormalization, of which ONNX infers no type, is an InstanceNormalization of groups, a Mul and an Add."""
    per_channel = opset_version(draft.template) >= PER_CHANNEL
    for node in draft.nodes:
        if node.op_type != "GroupNormalization" or node.input[1] not in draft.constants:
            continue
        (source, scale, bias), target, options = node.input, node.output[0], attributes(node)
        groups = options["num_groups"]
        width = len(draft.constants[scale]) if per_channel else groups
        shapes = [draft.add_integers(f"{target}_parts", [0, parts, -1]) for parts in (groups, width)]
        neutral = [draft.add_constant(f"{target}_{value}", np.full(groups, value, np.float32)) for value in (1, 0)]
        last = draft.add_integers(f"{target}_last", [1])
        factor, shift = (draft.put("Unsqueeze", [name, last], f"{name}_column", (width, 1)) for name in (scale, bias))
        rows = draft.put("Reshape", [source, shapes[0]], f"{target}_rows", ())
        options = {"epsilon": options.get("epsilon", 1e-5), "name": node.name}
        normal = draft.put("InstanceNormalization", [rows, *neutral], f"{target}_normal", (), **options)
        channels = draft.put("Reshape", [normal, shapes[1]], f"{target}_channels", ())
        scaled = draft.put("Mul", [channels, factor], f"{target}_scaled", ())
        shifted = draft.put("Add", [scaled, shift], f"{target}_shifted", ())
        sizes = draft.put("Shape", [source], f"{target}_sizes", ())
        draft.replace(node, make_node("Reshape", [shifted, sizes], [target]))


def _check_operators(draft: Draft) -> None:
    """Every output is computed, every node a plain operator of ONNX: what the passes take for granted."""
    for value in draft.outputs:
        if draft.producer(value.name) is None:
            raise UnsupportedError(
                f"The output '{value.name}' is an input or a constant itself; export the model without it."
            )
    for node in draft.nodes:
        if node.domain not in OWN or any(item.HasField("g") or item.graphs for item in node.attribute):
            raise UnsupportedError(
                f"{node.op_type} '{node.name}' is control flow or not an operator of ONNX's own ('{node.domain}'); "
                "export the model with standard operators only, or let 'edgekit export --cut-at' end it before."
            )


def _check_sizes(draft: Draft) -> None:
    for node in draft.nodes:
        for name in node.output:
            if name and min(draft.shapes.get(name, (0,)), default=1) < 1:
                sources = " and ".join(f"'{item}'" for item in node.input if draft.producer(item) is not None)
                raise UnsupportedError(
                    f"The size of '{name}' ({node.op_type} '{node.name}') is zero or follows from the data; end the "
                    f"file before it with 'edgekit export --to onnx --cut-at {name}', and let the app go on from "
                    f"{sources or 'there'}."
                )
