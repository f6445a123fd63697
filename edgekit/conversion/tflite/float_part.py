"""The float part of an int8 model as a file of its own, by which its cost can be timed."""

from __future__ import annotations

from edgekit.conversion.tflite.tidy import tidy
from edgekit.operators.lowered import ABSENT, ModelRecord, OperatorRecord


def float_part(model: ModelRecord) -> ModelRecord | None:
    """The operators that read or make float values, with the conversions around them; None if there are none.

    What they read from the others are inputs of the part, what the others read of them are its outputs. Conversions at
    the model's own inputs and outputs are not of it.
    """
    part = [operator for operator in model.operators if _is_float(model, operator)]
    if not part:
        return None
    made = {index for operator in part for index in operator.outputs}
    read = {index for operator in part for index in operator.inputs if index != ABSENT}
    others = {index for operator in model.operators if operator not in part for index in operator.inputs}
    inputs = sorted(index for index in read - made if model.tensors[index].data is None)
    return tidy(ModelRecord(model.tensors, part, inputs, sorted(made & others.union(model.outputs))))


def _is_float(model: ModelRecord, operator: OperatorRecord) -> bool:
    enters = operator.code == "QUANTIZE" and operator.inputs[0] in model.inputs
    leaves = operator.code == "DEQUANTIZE" and operator.outputs[0] in model.outputs
    if enters or leaves:
        return False
    tensors = [model.tensors[index] for index in (*operator.inputs, *operator.outputs) if index != ABSENT]
    return any(tensor.dtype == "float32" for tensor in tensors)
