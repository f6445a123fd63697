"""A .tflite file as the record that it was written from, or could have been: what other back ends begin with."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.conversion.tflite.int4 import INT4, unpack
from edgekit.errors import ModelError, UnsupportedError
from edgekit.modelfiles.tflite_contents import code_of, names_of, read_tflite
from edgekit.operators.lowered import ModelRecord, OperatorRecord, Options, TensorRecord
from edgekit.scales import Array, Quantization


def read_record(path: Path) -> ModelRecord:
    """The tensors and operators of a file with one subgraph; its metadata are left out.

    An operator is called by its result, or by its kind and place where names were left out. It parses a stranger's
    bytes, so it belongs into a worker.

    Raises:
        ModelError: the file is broken.
        UnsupportedError: it has several subgraphs, or a custom operator.
    """
    read_tflite(path)  # what a runtime would look at holds together, or this has raised
    try:
        return _record(path)
    except (struct.error, LookupError, ValueError, TypeError, AttributeError, OverflowError) as exc:
        raise ModelError(
            f"{path} is a broken TFLite file (cut short or overwritten); export or download it again."
        ) from exc


def _record(path: Path) -> ModelRecord:
    from ai_edge_litert import schema_py_generated as schema

    root = schema.Model.GetRootAs(path.read_bytes(), 0)
    model = schema.ModelT.InitFromObj(root)
    if len(model.subgraphs) != 1:
        raise UnsupportedError(f"{path} has {len(model.subgraphs)} subgraphs; only models of one are taken.")
    kinds = names_of(schema.BuiltinOperator)
    types = {number: name.lower() for number, name in names_of(schema.TensorType).items()}
    (graph,) = model.subgraphs
    tensors = [_tensor(item, types[item.type], _bytes(model.buffers[item.buffer].data)) for item in graph.tensors]
    operators = []
    for number, item in enumerate(graph.operators):
        code = model.operatorCodes[item.opcodeIndex]
        kind = kinds[code_of(root.OperatorCodes(item.opcodeIndex))]
        if kind == "CUSTOM":
            raise UnsupportedError(f"{path} has an operator of its own, '{(code.customCode or b'').decode()}'.")
        inputs, outputs = _numbers(item.inputs), _numbers(item.outputs)
        node = next((tensors[index].name for index in outputs if tensors[index].name), f"{kind.lower()}_{number}")
        operators.append(OperatorRecord(kind, inputs, outputs, _options(item.builtinOptions), code.version, node))
    return ModelRecord(tensors, operators, list(_numbers(graph.inputs)), list(_numbers(graph.outputs)))


def _tensor(item: Any, dtype: str, data: bytes) -> TensorRecord:
    shape = _numbers(item.shape)
    if dtype == INT4 and data:
        dtype, data = "int8", unpack(data, math.prod(shape)).tobytes()
    values: Array | None = np.frombuffer(data, dtype).reshape(shape) if data else None
    name = (item.name or b"").decode("utf-8", "replace")
    return TensorRecord(shape, dtype, values, _quantization(item.quantization, dtype), name)


def _quantization(item: Any, dtype: str) -> Quantization | None:
    if item is None or item.scale is None or len(item.scale) == 0:
        return None
    scales = tuple(float(scale) for scale in item.scale)
    zeros = tuple(int(zero) for zero in (() if item.zeroPoint is None else item.zeroPoint)) or (0,) * len(scales)
    return Quantization(scales, zeros, item.quantizedDimension if len(scales) > 1 else None, dtype)


def _options(item: Any) -> Options | None:
    """The numbers of an operator's options, under the names that the schema's code gives to what writes them."""
    if item is None:
        return None
    numbers = {name: value for name, value in vars(item).items() if isinstance(value, int | float)}
    fields = {name[0].upper() + name[1:]: value for name, value in numbers.items()}
    return Options(type(item).__name__.removesuffix("T"), fields)


def _numbers(values: Any) -> tuple[int, ...]:
    return () if values is None else tuple(int(value) for value in values)


def _bytes(data: Any) -> bytes:
    return b"" if data is None else np.asarray(data, np.uint8).tobytes()
