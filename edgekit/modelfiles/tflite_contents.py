"""Reading a TFLite FlatBuffer without running it: every offset and index is checked before a native runtime sees it.

Format: the LiteRT schema (tensorflow/lite/schema/schema.fbs), read with the accessors that ai-edge-litert ships.
"""

from __future__ import annotations

import math
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.artifact import METADATA_KEY, Metadata, TensorSpec
from edgekit.errors import ModelError
from edgekit.modelfiles.contents import ModelContents
from edgekit.modelfiles.tflite_metadata import STANDARD_KEY, described, read_standard
from edgekit.operators.lowered import ABSENT

IDENTIFIER = b"TFL3"
MAX_TENSOR_BYTES = 1 << 30
FIRST_REAL_OFFSET = 2
STEPS = ("StrideW", "StrideH", "DilationWFactor", "DilationHFactor", "FilterWidth", "FilterHeight")
CONVERSIONS = frozenset({"QUANTIZE", "DEQUANTIZE", "DENSIFY", "CAST"})
BYTES = {
    "INT4": 0.5,
    **dict.fromkeys(("BOOL", "INT8", "UINT8"), 1),
    **dict.fromkeys(("INT16", "UINT16", "FLOAT16", "BFLOAT16"), 2),
    **dict.fromkeys(("INT32", "UINT32", "FLOAT32"), 4),
    **dict.fromkeys(("INT64", "UINT64", "FLOAT64", "COMPLEX64"), 8),
}


class _Broken(Exception):
    """A rule of the format that a file breaks."""


def read_tflite(path: Path) -> ModelContents:
    """Check the structure of a .tflite file and count what is in it.

    Raises:
        ModelError: the file is not TFLite, an offset or index in it leads nowhere, its operators are not in order,
            or it refers to other files.
    """
    from ai_edge_litert import schema_py_generated as schema

    data = path.read_bytes()
    if data[4:8] != IDENTIFIER:
        raise ModelError(f"{path} is not a TFLite file; check that it is the right file, or export it again.")
    try:
        return _Reader(data, schema).read()
    except _Broken as exc:
        raise ModelError(f"{path} is a broken TFLite file: {exc}; export or download it again.") from exc
    except (struct.error, IndexError, ValueError, TypeError, AttributeError, OverflowError) as exc:
        raise ModelError(
            f"{path} is a broken TFLite file (cut short or overwritten); export or download it again."
        ) from exc


class _Reader:
    def __init__(self, data: bytes, schema: Any) -> None:
        self.data, self.schema = data, schema
        self.model = schema.Model.GetRootAsModel(data, 0)
        self.type_names = names_of(schema.TensorType)
        self.operator_names = names_of(schema.BuiltinOperator)
        self.option_names = names_of(schema.BuiltinOptions)
        self.computed: Counter[str] = Counter()

    def read(self) -> ModelContents:
        model = self.model
        if model.ExternalBuffersLength() or model.ExternalBufferGroupsLength():
            raise _Broken("it keeps weights in other files, which are never read")
        self.buffers = list(self._items(model.Buffers, model.BuffersLength(), "buffers"))
        codes = list(self._items(model.OperatorCodes, model.OperatorCodesLength(), "operator codes"))
        self.codes = [self._operator_name(code) for code in codes]
        subgraphs = list(self._items(model.Subgraphs, model.SubgraphsLength(), "subgraphs"))
        if not subgraphs:
            raise _Broken("it has no graph")
        operators: Counter[str] = Counter()
        constants: dict[int, tuple[str, int]] = {}
        for subgraph in subgraphs:
            tensors = list(self._items(subgraph.Tensors, subgraph.TensorsLength(), "tensors"))
            known = {index for index, tensor in enumerate(tensors) if self._check_tensor(tensor, constants)}
            operators.update(self._check_operators(subgraph, len(tensors), known))
        counted: Counter[str] = Counter()
        for kind, count in constants.values():
            counted[kind] += count
        return ModelContents(
            format="tflite",
            version=f"schema {model.Version()}",
            file_bytes=len(self.data),
            weight_bytes=sum(self._buffer_bytes(index) for index in constants),
            constants=dict(counted),
            operators=dict(operators.most_common()),
            computed=dict(self.computed.most_common()),
            description=self._metadata(METADATA_KEY).decode("utf-8"),
            standard=self._standard(),
        )

    def _items(self, get: Callable[[int], Any], length: int, what: str) -> Iterator[Any]:
        """The tables of a vector, whose claimed length must fit into the file."""
        if length * 4 > len(self.data):
            raise _Broken(f"it claims to hold {length} {what}")
        for index in range(length):
            item = get(index)
            if item is None:
                raise _Broken(f"one of its {what} is missing")
            yield item

    def _operator_name(self, code: Any) -> str:
        number = code_of(code)
        if number not in self.operator_names:
            raise _Broken(f"it uses operator number {number}, which is not known")
        if self.operator_names[number] == "CUSTOM":
            return (code.CustomCode() or b"CUSTOM").decode("utf-8", "replace")
        return self.operator_names[number]

    def _buffer_bytes(self, index: int) -> int:
        """The size of a buffer's data, which must lie inside the file, in the table or (large models) behind it."""
        buffer = self.buffers[index]
        if buffer.Offset() >= FIRST_REAL_OFFSET:
            if buffer.Offset() + buffer.Size() > len(self.data):
                raise _Broken(f"buffer {index} reaches beyond the end of the file")
            return int(buffer.Size())
        length = int(buffer.DataLength())
        if length and len(buffer.DataAsNumpy()) != length:
            raise _Broken(f"buffer {index} reaches beyond the end of the file")
        return length

    def _check_tensor(self, tensor: Any, constants: dict[int, tuple[str, int]]) -> bool:
        """Check one tensor; note its constant data. True if it has a value before any operator runs."""
        kind = self.type_names.get(tensor.Type())
        if kind is None:
            raise _Broken(f"it has a tensor of type number {tensor.Type()}, which is not known")
        if not 0 <= tensor.Buffer() < len(self.buffers):
            raise _Broken(f"a tensor names buffer {tensor.Buffer()} of {len(self.buffers)}")
        sizes = [int(tensor.Shape(axis)) for axis in range(tensor.ShapeLength())]
        wanted = math.ceil(math.prod(sizes) * BYTES.get(kind, 1))
        if any(size < 0 for size in sizes) or wanted > MAX_TENSOR_BYTES:
            raise _Broken(f"a tensor has the impossible shape {sizes}")
        held = self._buffer_bytes(tensor.Buffer())
        label, values = kind.lower(), math.prod(sizes)
        if tensor.Sparsity() is not None:
            label, values = f"{label} (sparse)", self._stored_values(tensor.Sparsity(), sizes)
            wanted = math.ceil(values * BYTES.get(kind, 1))
        if held and kind in BYTES and held != wanted:
            raise _Broken(f"a tensor of shape {sizes} should hold {wanted} bytes but has {held}")
        if held:
            constants[tensor.Buffer()] = (label, values)
        return bool(held) or bool(tensor.IsVariable()) or wanted == 0

    def _stored_values(self, sparsity: Any, sizes: list[int]) -> int:
        """How many values a sparse tensor stores: level by level, of its axes and their blocks, dense or compressed."""
        levels = list(self._items(sparsity.DimMetadata, sparsity.DimMetadataLength(), "levels of sparse weights"))
        order = [sparsity.TraversalOrder(index) for index in range(sparsity.TraversalOrderLength())]
        blocks = [sparsity.BlockMap(index) for index in range(sparsity.BlockMapLength())]
        lengths = list(sizes)
        if sorted(order) != list(range(len(levels))) or len(levels) != len(sizes) + len(blocks):
            raise _Broken("the levels of its sparse weights are not those of their axes")
        for axis, level in zip(blocks, order[len(sizes) :], strict=True):
            block = int(levels[level].DenseSize())
            if not 0 <= axis < len(sizes) or block < 1 or lengths[axis] % block:
                raise _Broken("the blocks of its sparse weights do not fit their axes")
            lengths[axis] //= block
            lengths.append(block)
        values = 1
        for level, axis in zip(levels, order, strict=True):
            if level.Format() == self.schema.DimensionType.DENSE:
                if level.DenseSize() != lengths[axis]:
                    raise _Broken("the levels of its sparse weights are not those of their axes")
                values *= lengths[axis]
                continue
            starts = self._numbers(level.ArraySegmentsType(), level.ArraySegments())
            places = self._numbers(level.ArrayIndicesType(), level.ArrayIndices())
            if len(starts) != values + 1 or starts[0] != 0 or starts[-1] != len(places) or (np.diff(starts) < 0).any():
                raise _Broken("the rows of its sparse weights do not follow each other")
            if ((places < 0) | (places >= lengths[axis])).any():
                raise _Broken("its sparse weights lie outside of their tensor")
            values = len(places)
        return values

    def _numbers(self, kind: int, place: Any) -> Any:
        """A vector of whole numbers, whose type has one of three widths."""
        name = names_of(self.schema.SparseIndexVector).get(kind, "NONE")
        if name == "NONE" or place is None:
            raise _Broken("its sparse weights do not say where they belong")
        vector = getattr(self.schema, name)()
        vector.Init(place.Bytes, place.Pos)
        return np.asarray(vector.ValuesAsNumpy() if vector.ValuesLength() else (), np.int64).reshape(-1)

    def _check_operators(self, subgraph: Any, tensors: int, known: set[int]) -> Iterator[str]:
        """The names of the operators; each may read only what is known when its turn comes."""
        places = range(tensors)
        known |= {subgraph.Inputs(index) for index in range(subgraph.InputsLength())}
        for operator in self._items(subgraph.Operators, subgraph.OperatorsLength(), "operators"):
            if not 0 <= operator.OpcodeIndex() < len(self.codes):
                raise _Broken(f"an operator has code {operator.OpcodeIndex()} of {len(self.codes)}")
            name = self.codes[operator.OpcodeIndex()]
            reads = [operator.Inputs(index) for index in range(operator.InputsLength())]
            writes = [operator.Outputs(index) for index in range(operator.OutputsLength())]
            if any(index not in places for index in (*writes, *(index for index in reads if index != ABSENT))):
                raise _Broken(f"an operator {name} names a tensor that does not exist")
            if reads and reads[0] == ABSENT:
                raise _Broken(f"an operator {name} has no input")
            self._check_steps(operator, name)
            if not known.issuperset(set(reads) - {ABSENT}):
                raise _Broken(f"an operator {name} reads a tensor that nothing before it has made")
            known.update(writes)
            if name not in CONVERSIONS and writes:
                types = [self._type(subgraph, index) for index in (*writes[:1], *reads[1:2]) if index != ABSENT]
                # Float activations that meet 8-bit weights are quantized while the model runs.
                is_dynamic = types[0] == "float32" and types[-1] in ("int8", "uint8", "int4")
                self.computed["int8 by dynamic ranges" if is_dynamic else types[0]] += 1
            yield name
        results = [subgraph.Outputs(index) for index in range(subgraph.OutputsLength())]
        if not known.issuperset(results) or any(index not in places for index in known):
            raise _Broken("its inputs or outputs are not tensors of its graph")

    def _type(self, subgraph: Any, index: int) -> str:
        return self.type_names[subgraph.Tensors(index).Type()].lower()

    def _check_steps(self, operator: Any, name: str) -> None:
        """A window's stride, dilation and size are at least 1; TFLite Micro does not check that itself."""
        kind, place = self.option_names.get(operator.BuiltinOptionsType()), operator.BuiltinOptions()
        if kind in (None, "NONE") or place is None:
            return
        options = getattr(self.schema, kind)()
        options.Init(place.Bytes, place.Pos)
        for field in STEPS:
            if hasattr(options, field) and getattr(options, field)() < 1:
                raise _Broken(f"an operator {name} has {field} {getattr(options, field)()}")

    def _metadata(self, name: str) -> bytes:
        """The bytes of the metadata buffer of this name; empty if there is none."""
        for entry in self._items(self.model.Metadata, self.model.MetadataLength(), "metadata entries"):
            if entry.Name() == name.encode():
                if not 0 <= entry.Buffer() < len(self.buffers):
                    raise _Broken("its description is missing")
                if self._buffer_bytes(entry.Buffer()):
                    return bytes(self.buffers[entry.Buffer()].DataAsNumpy())
        return b""

    def _standard(self) -> str:
        """The standard metadata in EdgeKit's terms, as JSON; empty if they say nothing of use here."""
        data = self._metadata(STANDARD_KEY)
        if not data:
            return ""
        graph = self.model.Subgraphs(0)
        inputs = [graph.Tensors(graph.Inputs(index)) for index in range(graph.InputsLength())]
        image = self._spec(inputs[0]) if len(inputs) == 1 else TensorSpec("", (), "")
        try:
            metadata = described(read_standard(data, self.data), image)
        except ValueError as exc:
            raise _Broken(str(exc)) from exc
        return "" if metadata == Metadata() else metadata.to_json()

    def _spec(self, tensor: Any) -> TensorSpec:
        shape = tuple(int(tensor.Shape(axis)) for axis in range(tensor.ShapeLength()))
        quant = tensor.Quantization()
        kind = self.type_names[tensor.Type()].lower()
        if quant is None or quant.ScaleLength() != 1 or quant.ZeroPointLength() != 1:
            return TensorSpec("", shape, kind)
        return TensorSpec("", shape, kind, float(quant.Scale(0)) or None, int(quant.ZeroPoint(0)))


def names_of(enumeration: Any) -> dict[int, str]:
    """The names of one of the schema's enumerations, by their numbers."""
    return {number: name for name, number in vars(enumeration).items() if not name.startswith("_")}


def code_of(code: Any) -> int:
    """The number of an operator's kind, which older files have in a field of one byte."""
    return int(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()))
