from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from ai_edge_litert.interpreter import OpResolverType
from onnx import helper
from small_graphs import graph_of, interpreter, noise, quantized, run_onnx, run_tflite

from edgekit.artifact import Metadata
from edgekit.conversion.export import ExportOptions, export
from edgekit.conversion.tflite import lower
from edgekit.errors import ModelError, UnknownNameError, UnsupportedError, UsageError
from edgekit.files import sha256_file
from edgekit.graph.load import load_onnx
from edgekit.graph.metadata import read_metadata, write_metadata
from edgekit.graph.prepare import prepare
from edgekit.inputs.contract import InputContract


def normalised_convolution() -> onnx.ModelProto:
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["a"]),
        helper.make_node("BatchNormalization", ["a", "one", "zero", "zero", "one"], ["b"]),
        helper.make_node("Flatten", ["b"], ["f"]),
        helper.make_node("MatMul", ["f", "m"], ["logits"]),
    ]
    constants = {
        "w": noise(2, 1, 3, 3),
        "m": noise(8, 3),
        "one": np.ones(2, np.float32),
        "zero": np.zeros(2, np.float32),
    }
    model = graph_of(nodes, {"image": ("N", 1, 4, 4)}, constants, outputs=["logits"])
    return write_metadata(model, Metadata(InputContract(4, 4, 1), ("a", "b", "c")))


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    path = tmp_path / "third_party.onnx"
    path.write_bytes(normalised_convolution().SerializeToString())
    return path


def test_onnx_becomes_tflite_that_answers_the_same(model_file: Path, tmp_path: Path) -> None:
    result = export(ExportOptions(str(model_file), "tflite", out=tmp_path / "out"))
    assert result.path == tmp_path / "out" / "model.tflite"
    assert result.file_bytes == result.path.stat().st_size
    assert result.sha256 == sha256_file(result.path)
    image = noise(1, 1, 4, 4, seed=5)
    expected = run_onnx(load_onnx(model_file), image)[0]
    np.testing.assert_allclose(run_tflite(result.path.read_bytes(), image)[0], expected, rtol=1e-4, atol=1e-5)


def test_onnx_becomes_plain_onnx_with_its_description_and_its_origin(model_file: Path, tmp_path: Path) -> None:
    result = export(ExportOptions(str(model_file), "onnx", out=tmp_path / "out"))
    model = load_onnx(result.path)
    assert [item.op_type for item in model.graph.node] == ["Conv", "Flatten", "Gemm"]
    metadata = read_metadata(model, "")
    assert metadata.labels == ("a", "b", "c")
    assert metadata.parents == {"onnx": sha256_file(model_file)}


def test_a_run_folder_stands_for_its_float_model(model_file: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    model_file.rename(run / "model.onnx")
    (run / "model.int8.onnx").write_bytes(b"not looked at")
    assert export(ExportOptions(str(run), "tflite", out=run)).source == run / "model.onnx"


def test_an_int8_onnx_file_becomes_an_int8_tflite_file(tmp_path: Path) -> None:
    path = tmp_path / "some.onnx"
    path.write_bytes(quantized(prepare(normalised_convolution())).SerializeToString())
    assert export(ExportOptions(str(path), "tflite", out=tmp_path)).path.name == "model.int8.tflite"
    with pytest.raises(ModelError, match="int8 already"):
        export(ExportOptions(str(path), "onnx", out=tmp_path))


def test_a_tflite_file_is_refused_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(b"\x18\0\0\0TFL3")
    with pytest.raises(ModelError, match="write the model as ONNX first"):
        export(ExportOptions(str(path), "onnx", out=tmp_path / "out"))


def test_an_unknown_format_is_answered_with_the_nearest(model_file: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'tflite'"):
        export(ExportOptions(str(model_file), "tflight", out=tmp_path))


def test_a_model_that_tflite_cannot_express_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "gelu.onnx"
    path.write_bytes(graph_of([helper.make_node("Erf", ["x"], ["out"])], {"x": (1, 4)}).SerializeToString())
    with pytest.raises(UnsupportedError, match="no TFLite form"):
        export(ExportOptions(str(path), "tflite", out=tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_the_source_is_not_written_over(tmp_path: Path) -> None:
    source = tmp_path / "model.onnx"
    data = graph_of([helper.make_node("Relu", ["x"], ["out"])], {"x": ("N", 4)}).SerializeToString()
    source.write_bytes(data)
    with pytest.raises(UsageError, match="would be written over; say another folder with --out"):
        export(ExportOptions(str(source), "onnx", out=tmp_path))
    assert source.read_bytes() == data


def test_a_picture_of_one_channel_that_tf2onnx_takes_as_it_lies_stays_so(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Reshape", ["x", "first"], ["moved"]),
        helper.make_node("Conv", ["moved", "w"], ["out"]),
    ]
    for shape in ((1, 28, 28, 1), (1, 49, 10, 1)):
        constants = {"first": np.array([1, 1, *shape[1:3]], np.int64), "w": noise(2, 1, 3, 3)}
        model = graph_of(nodes, {"x": shape}, constants)
        image, opened = noise(*shape), interpreter(lower(prepare(model), Metadata()), OpResolverType.AUTO)
        opened.set_tensor(opened.get_input_details()[0]["index"], image)
        opened.invoke()
        found = opened.get_tensor(opened.get_output_details()[0]["index"])
        np.testing.assert_allclose(found.transpose(0, 3, 1, 2), run_onnx(model, image)[0], atol=1e-5)
