"""What is in a model file, and whether its structure holds: looked at before any runtime opens it.

``read_contents`` parses untrusted bytes, so it is called inside the sandbox (``FileSession``, ``vet``).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.artifact import METADATA_KEY, Metadata
from edgekit.console import counted
from edgekit.modelfiles.runtime_choice import default_runtime
from edgekit.operators import ACTIVATIONS, operators_that

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto, TensorProto

QUANTIZE, DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"
CONVERSIONS = frozenset({QUANTIZE, DEQUANTIZE, "Cast"})
PACKED = {"int4": 0.5, "uint4": 0.5, "float4e2m1": 0.5, "int2": 0.25, "uint2": 0.25}
"""Bytes of a value of types that share bytes; numpy has no such arrays."""
MOVING = operators_that(lambda row: row.reshapes) | {"Transpose"}


@dataclass(frozen=True)
class ModelContents:
    """Counts of a model file.

    ``weight_bytes`` are those of all constant tensors, biases included, each shared one counted once;
    ``constants`` says how many values there are of each type; ``computed`` how many operators compute in each type,
    conversions between types aside; so many of the constants are ``replaceable``, inputs with a default value.
    ``description`` is EdgeKit's own metadata JSON, and ``standard`` what the standard TFLite metadata say, as
    such JSON: labels and input contract.
    """

    format: str
    version: str
    file_bytes: int
    weight_bytes: int
    constants: Mapping[str, int]
    operators: Mapping[str, int]
    computed: Mapping[str, int] = field(default_factory=dict)
    replaceable: int = 0
    description: str = ""
    standard: str = ""

    @property
    def overhead_bytes(self) -> int:
        """What the file holds beside its constants."""
        return self.file_bytes - self.weight_bytes

    @property
    def parameters(self) -> int:
        """The number of constant values."""
        return sum(self.constants.values())

    @property
    def scheme(self) -> str:
        """How numbers are stored and computed, as in ``int8 weights; computes in int8 (9 operators)``."""
        weights = max(self.constants, key=lambda kind: self.constants[kind], default="no")
        types = Counter(self.computed).most_common()
        computed = ", ".join(f"{kind} ({counted(count, 'operators')})" for kind, count in types)
        weights = "float32" if weights == "float" else weights  # ONNX's name for it
        return f"{weights} weights" + (f"; computes in {computed}" if computed else "")

    def metadata(self, source: str) -> Metadata:
        """The file's description of itself, EdgeKit's own first; an empty one if it has none."""
        own = Metadata.from_json(self.description, source) if self.description else Metadata()
        if not self.standard:
            return own
        standard = Metadata.from_json(self.standard, source)
        return replace(own, contract=own.contract or standard.contract, labels=own.labels or standard.labels)


def read_contents(path: Path) -> ModelContents:
    """Check the structure of an .onnx or .tflite file and count what is in it.

    Raises:
        ModelError: the file is broken, of another kind, or refers to other files.
    """
    if default_runtime(path) == "ort":
        return _read_onnx(path)
    from edgekit.modelfiles.tflite_contents import read_tflite

    return read_tflite(path)


def _read_onnx(path: Path) -> ModelContents:
    from onnx import TensorProto, numpy_helper

    from edgekit.graph.load import check_onnx, whole_file
    from edgekit.graph.messages import opset_version, replaceable

    model = check_onnx(path)
    graphs = list(_graphs(model.graph))
    constants: Counter[str] = Counter()
    weight_bytes = 0
    for tensor in (tensor for graph in graphs for tensor in _constant_tensors(graph)):
        array = numpy_helper.to_array(tensor)
        kind = TensorProto.DataType.Name(tensor.data_type).lower()
        constants[kind] += array.size
        weight_bytes += math.ceil(array.size * PACKED.get(kind, array.itemsize))
    operators = Counter(node.op_type for graph in graphs for node in _run_each_time(graph))
    return ModelContents(
        format="onnx",
        version=f"IR {model.ir_version}, opset {opset_version(model)}",
        file_bytes=len(whole_file(path)),
        weight_bytes=weight_bytes,
        constants=dict(constants),
        operators=dict(operators.most_common()),
        computed=dict(_computed(model.graph).most_common()),
        replaceable=len(replaceable(model)),
        description=next((entry.value for entry in model.metadata_props if entry.key == METADATA_KEY), ""),
    )


def _computed(graph: GraphProto) -> Counter[str]:
    """In which type each operator of the main graph computes, where a runtime knows the QDQ form.

    It computes in integers if its first input is dequantized, its result is quantized (behind an activation perhaps),
    and its weights are no float constants. What only moves values keeps their type.
    """
    from onnx import TensorProto

    reader = {name: node for node in reversed(graph.node) for name in node.input}
    stored = {tensor.name: tensor.data_type for tensor in graph.initializer}
    floats = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE)
    weights = {tensor.name for tensor in graph.initializer if tensor.data_type in floats and len(tensor.dims) > 1}

    def integer(conversion: NodeProto) -> str:
        zero_point = conversion.input[2] if len(conversion.input) > 2 else ""
        return str(TensorProto.DataType.Name(stored.get(zero_point, TensorProto.UINT8))).lower()

    kinds: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for node in _run_each_time(graph):
        kind = kinds.get(node.input[0], "float32") if node.input else "float32"
        if node.op_type in CONVERSIONS:
            kinds[node.output[0]] = integer(node) if node.op_type == DEQUANTIZE else "float32"
            continue
        if node.op_type not in MOVING:
            last = reader.get(node.output[0])
            while last is not None and last.op_type in ACTIVATIONS:
                last = reader.get(last.output[0])
            is_integer = kind != "float32" and not weights.intersection(node.input)
            kind = integer(last) if is_integer and last is not None and last.op_type == QUANTIZE else "float32"
        kinds[node.output[0]] = kind
        counts[kind] += 1
    return counts


def _run_each_time(graph: GraphProto) -> Iterator[NodeProto]:
    """The nodes of a graph but those that a runtime computes once, from constants; it dequantizes in each run."""
    known = {"", *(tensor.name for tensor in graph.initializer)}
    for node in graph.node:
        computed_once = node.input and node.op_type != DEQUANTIZE and known.issuperset(node.input)
        if computed_once or node.op_type == "Constant":
            known.update(node.output)
        else:
            yield node


def _graphs(graph: GraphProto) -> Iterator[GraphProto]:
    """A graph and those inside its If and Loop nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                if inner.node:
                    yield from _graphs(inner)


def _constant_tensors(graph: GraphProto) -> list[TensorProto]:
    """Initializers and the values of Constant nodes."""
    given = (attribute for node in graph.node if node.op_type == "Constant" for attribute in node.attribute)
    return [*graph.initializer, *(attribute.t for attribute in given if attribute.name == "value")]
