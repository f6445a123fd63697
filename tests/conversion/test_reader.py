"""A .tflite file that is read is the record that it was written from."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper
from small_graphs import graph_of, noise, quantized
from tiny_models import packed, tflite_model

from edgekit.catalog import resolve_model
from edgekit.conversion.c import program_in_worker
from edgekit.conversion.tflite.lower_model import lowered_record
from edgekit.conversion.tflite.reader import read_record
from edgekit.conversion.tflite.writer import write_model
from edgekit.errors import EdgekitError, ModelError, UnsupportedError
from edgekit.graph.prepare import prepare
from edgekit.operators.lowered import ModelRecord

make = helper.make_node


def network() -> ModelRecord:
    nodes = [
        make("Conv", ["x", "w"], ["a"], pads=[1, 1, 1, 1], strides=[2, 2]),
        make("Relu", ["a"], ["b"]),
        make("GlobalAveragePool", ["b"], ["c"]),
        make("Flatten", ["c"], ["d"]),
        make("Gemm", ["d", "v"], ["out"], transB=1),
    ]
    graph = graph_of(nodes, {"x": (1, 2, 8, 8)}, {"w": noise(4, 2, 3, 3), "v": noise(3, 4)})
    return lowered_record(quantized(prepare(graph)))[1]


def test_what_was_written_is_read(tmp_path: Path) -> None:
    written = network()
    (tmp_path / "net.tflite").write_bytes(write_model(written))
    found = read_record(tmp_path / "net.tflite")
    assert (found.inputs, found.outputs) == (written.inputs, written.outputs)
    for ours, theirs in zip(written.operators, found.operators, strict=True):
        assert (ours.code, ours.inputs, ours.outputs, ours.version) == (
            theirs.code, theirs.inputs, theirs.outputs, theirs.version,
        )  # fmt: skip
        assert ours.options is None or ours.options.fields.items() <= theirs.options.fields.items()
    for ours, theirs in zip(written.tensors, found.tensors, strict=True):
        assert replace(ours, data=None) == replace(theirs, data=None)
        assert (ours.data is None) == (theirs.data is None)
        assert ours.data is None or np.array_equal(ours.data, theirs.data)


@pytest.mark.parametrize("student", ["mnist-tiny", "mnist-linear"])
def test_files_are_written_anew_as_they_were(student: str, tmp_path: Path) -> None:
    first = write_model(read_record(resolve_model(student, ".int8.tflite")))
    (tmp_path / "again.tflite").write_bytes(first)
    assert write_model(read_record(tmp_path / "again.tflite")) == first


def test_operators_without_names_are_called_by_kind_and_place() -> None:
    nodes = [operator.node for operator in read_record(resolve_model("mnist-tiny", ".int8.tflite")).operators]
    assert nodes[0] == "conv_2d_0"
    assert nodes[-1] == "logits"


def test_what_is_broken_or_of_several_graphs_is_refused(linear: object, tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(write_model(network())[:300])
    with pytest.raises(ModelError, match="is a broken TFLite file"):
        read_record(path)
    model = tflite_model(linear)
    model.subgraphs.append(model.subgraphs[0])
    path.write_bytes(packed(model))
    with pytest.raises(UnsupportedError, match="has 2 subgraphs; only models of one are taken"):
        read_record(path)
    model = tflite_model(linear)
    model.operatorCodes[0].builtinCode = schema.BuiltinOperator.CUSTOM
    model.operatorCodes[0].customCode = b"Own"
    path.write_bytes(packed(model))
    with pytest.raises(UnsupportedError, match="has an operator of its own, 'Own'"):
        read_record(path)


@settings(max_examples=150)
@given(st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), min_size=1, max_size=4))
def test_overwritten_bytes_are_refused_or_taken_and_nothing_else(changes: list[tuple[int, int]]) -> None:
    data = bytearray(resolve_model("mnist-linear", ".int8.tflite").read_bytes())
    for place, byte in changes:
        data[place % 800] = byte  # its tables; behind them are weights
    with tempfile.NamedTemporaryFile(suffix=".tflite") as file, suppress(EdgekitError):
        file.write(data)
        file.flush()
        program_in_worker(file.name, "net", None)
