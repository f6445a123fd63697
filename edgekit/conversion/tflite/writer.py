"""The FlatBuffer of a lowered model: the schema is the one that the LiteRT package ships.

The bytes count on a device, so equal vectors and equal tables are written once and referred to from everywhere: the
FlatBuffers format allows it, and readers do not notice. Names are written for the model's inputs and outputs only.

Format: tensorflow/compiler/mlir/lite/schema/schema.fbs; its ``force_align: 16`` for buffer data is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.conversion.tflite.int4 import INT4, narrowed, pack
from edgekit.modelfiles.tflite_contents import IDENTIFIER
from edgekit.operators.lowered import ModelRecord, OperatorRecord, TensorRecord
from edgekit.scales import Array, Quantization

if TYPE_CHECKING:
    from flatbuffers import Builder

SCHEMA_VERSION = 3
DATA_ALIGNMENT = 16
LENGTH_BYTES = 4
"""In front of every vector."""


def write_model(model: ModelRecord) -> bytes:
    """Serialize a model; the result is a complete .tflite file."""
    return _Writer().write(narrowed(model))


class _Writer:
    """A FlatBuffer under construction, from its end to its beginning; objects are known by their offsets."""

    def __init__(self) -> None:
        import flatbuffers
        from ai_edge_litert import schema_py_generated as schema

        self.schema = schema
        self.builder = flatbuffers.Builder(1 << 16)
        self.written: dict[Any, int] = {}
        self.buffers: dict[bytes, int] = {}
        self.placed: dict[bytes, int] = {}
        self.fillers: list[Array] = []

    def write(self, model: ModelRecord) -> bytes:
        codes = list(dict.fromkeys((item.code, item.version) for item in model.operators))
        self.fillers = list(_small_vectors(model))
        for record in model.tensors:
            if record.data is not None:
                self.buffer(_stored(record))
        tensors = [self.tensor(item) for item in model.tensors]
        operators = [self.operator(item, codes.index((item.code, item.version))) for item in model.operators]
        parts = {"Tensors": vector_of(self.builder, tensors), "Inputs": self.indices(model.inputs)}
        parts |= {"Outputs": self.indices(model.outputs), "Operators": vector_of(self.builder, operators)}
        subgraph = self.table("SubGraph", **parts)
        metadata = [
            self.table("Metadata", Name=self.string(name), Buffer=self.buffer_index(data))
            for name, data in model.metadata.items()
        ]
        no_data = self.table("Buffer")
        parts = {
            "OperatorCodes": vector_of(self.builder, [self.operator_code(*code) for code in codes]),
            "Subgraphs": vector_of(self.builder, [subgraph]),
            "Buffers": vector_of(self.builder, [no_data, *map(self.buffer, self.buffers)]),
        }
        if metadata:
            parts["Metadata"] = vector_of(self.builder, metadata)
        self.builder.Finish(self.table("Model", Version=SCHEMA_VERSION, **parts), file_identifier=IDENTIFIER)
        return bytes(self.builder.Output())

    def tensor(self, record: TensorRecord) -> int:
        fields: dict[str, Any] = {"Shape": self.indices(record.shape)}
        if record.data is not None:
            fields["Buffer"] = self.buffer_index(_stored(record))
        if record.name:
            fields["Name"] = self.string(record.name)
        if record.quant is not None:
            fields["Quantization"] = self.quantization(record.quant)
        return self.table("Tensor", **fields, Type=getattr(self.schema.TensorType, record.dtype.upper()))

    def quantization(self, quant: Quantization) -> int:
        scales, zeros = np.asarray(quant.scales, "<f4"), np.asarray(quant.zero_points, "<i8")
        parts = {"Scale": self.vector(scales), "ZeroPoint": self.vector(zeros)}
        return self.table("QuantizationParameters", **parts, QuantizedDimension=quant.axis or 0)

    def operator(self, record: OperatorRecord, code: int) -> int:
        fields: dict[str, Any] = {"Inputs": self.indices(record.inputs), "Outputs": self.indices(record.outputs)}
        if record.options is not None:
            fields["BuiltinOptions"] = self.table(record.options.table, **record.options.fields)
            fields["BuiltinOptionsType"] = getattr(self.schema.BuiltinOptions, record.options.table)
        return self.table("Operator", **fields, OpcodeIndex=code)

    def operator_code(self, name: str, version: int) -> int:
        code = getattr(self.schema.BuiltinOperator, name)
        # Readers before schema 3a know only the one-byte field, in which 127 stands for "see the other one".
        return self.table("OperatorCode", BuiltinCode=code, Version=version, DeprecatedBuiltinCode=min(code, 127))

    def buffer_index(self, data: bytes) -> int:
        """Where a constant's bytes are in the model's list of buffers; equal bytes are stored once."""
        return self.buffers.setdefault(data, len(self.buffers) + 1)

    def buffer(self, data: bytes) -> int:
        if data in self.placed:
            return self.placed[data]
        self.placed[data] = self.table("Buffer", **({"Data": self.aligned(data)} if data else {}))
        return self.placed[data]

    def aligned(self, data: bytes) -> int:
        """Write a constant's bytes; small vectors that come up anyway fill the gap that the alignment leaves."""
        while gap := -(self.builder.Offset() + len(data)) % DATA_ALIGNMENT & -LENGTH_BYTES:
            fitting = [item for item in self.fillers if 0 < _size(item) % DATA_ALIGNMENT <= gap]
            if not fitting:
                break
            filler = max(fitting, key=lambda item: _size(item) % DATA_ALIGNMENT)
            self.fillers = [item for item in self.fillers if item is not filler]
            self.vector(filler)
        self.builder.StartVector(1, len(data), DATA_ALIGNMENT)
        self.builder.head -= len(data)
        self.builder.Bytes[self.builder.head : self.builder.head + len(data)] = data
        return int(self.builder.EndVector())

    def table(self, kind: str, **fields: Any) -> int:
        """Write a table of the schema, or find the equal one that is written already."""
        key = (kind, *fields.items())
        if key not in self.written:
            getattr(self.schema, f"{kind}Start")(self.builder)
            for name, value in fields.items():
                getattr(self.schema, f"{kind}Add{name}")(self.builder, value)
            self.written[key] = getattr(self.schema, f"{kind}End")(self.builder)
        return self.written[key]

    def vector(self, values: Array) -> int:
        key = (values.dtype.str, values.tobytes())
        if key not in self.written:
            self.written[key] = self.builder.CreateNumpyVector(values)
        return self.written[key]

    def indices(self, values: Sequence[int]) -> int:
        return self.vector(np.asarray(values, np.int32))

    def string(self, text: str) -> int:
        if text not in self.written:
            self.written[text] = self.builder.CreateString(text)
        return self.written[text]


def vector_of(builder: Builder, tables: Sequence[int]) -> int:
    """Write the vector of tables, or other objects, that are written already; all are known by their offsets."""
    builder.StartVector(4, len(tables), 4)
    for table in reversed(tables):
        builder.PrependUOffsetTRelative(table)
    return int(builder.EndVector())


def _stored(record: TensorRecord) -> bytes:
    constant = record.data
    assert constant is not None
    if record.dtype == INT4:
        return pack(constant)
    little_endian = constant.astype(constant.dtype.newbyteorder("<"), copy=False)
    return np.ascontiguousarray(little_endian).tobytes()


def _small_vectors(model: ModelRecord) -> Iterator[Array]:
    """The different vectors of 4-byte numbers that a model needs."""
    vectors = [np.asarray(record.shape, np.int32) for record in model.tensors]
    vectors += [np.asarray(record.quant.scales, "<f4") for record in model.tensors if record.quant is not None]
    for operator in model.operators:
        vectors += [np.asarray(operator.inputs, np.int32), np.asarray(operator.outputs, np.int32)]
    yield from {(item.dtype.str, item.tobytes()): item for item in vectors}.values()


def _size(vector: Array) -> int:
    return LENGTH_BYTES + int(vector.nbytes)
