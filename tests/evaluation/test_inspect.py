"""What a file says of itself."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest
from onnx import helper
from tiny_models import DIGITS, Linear, packed, tflite_model

from edgekit.errors import ModelError
from edgekit.evaluation.inspect import InspectOptions, inspect
from edgekit.files import sha256_file


@pytest.mark.parametrize("name", ["onnx", "int8.onnx", "tflite", "int8.tflite"])
def test_a_file_is_described_from_itself_alone(digit_files: dict[str, Path], name: str) -> None:
    path = digit_files[name]
    result = inspect(InspectOptions(str(path)))
    (facts,) = result.files
    assert facts.sha256 == sha256_file(path)
    assert facts.metadata.labels == DIGITS
    assert (facts.inputs[0].name, facts.outputs[0].shape) == ("image", (1, 10))
    assert facts.refusal == ""
    document = json.loads(json.dumps(result.to_dict()))["files"][0]
    assert document["metadata"]["recipe"] == "least squares"
    assert document["contents"]["overhead_bytes"] == path.stat().st_size - document["contents"]["weight_bytes"]
    printed = str(result)
    assert facts.sha256 in printed
    assert "least squares" in printed
    assert "digit, mean 0, std 1\n" in printed


def test_a_file_that_its_runtime_refuses_is_still_described(linear: Linear, tmp_path: Path) -> None:
    model = tflite_model(linear)
    model.operatorCodes[0].version = 99
    path = tmp_path / "future.tflite"
    path.write_bytes(packed(model))
    (facts,) = inspect(InspectOptions(str(path))).files
    assert facts.contents.operators == {"FULLY_CONNECTED": 1}
    assert "future.tflite is not a model that LiteRT runs" in facts.refusal


def test_the_scheme_and_what_xnnpack_takes_are_said(digit_files: dict[str, Path]) -> None:
    schemes = {
        "onnx": "float32 weights; computes in float32 (2 operators)",
        "int8.onnx": "int8 weights; computes in int8 (2 operators)",
        "tflite": "float32 weights; computes in float32 (1 operator)",
        "int8.tflite": "int8 weights; computes in int8 (1 operator)",
    }
    for name, scheme in schemes.items():
        result = inspect(InspectOptions(str(digit_files[name])))
        (document,) = result.to_dict()["files"]
        assert document["contents"]["scheme"] == scheme
        assert document["undelegated"] == (() if "tflite" in name else None)
        printed = str(result)
        assert scheme in printed
        assert ("takes all operators" in printed) == ("tflite" in name)


def test_weights_that_are_inputs_too_are_counted(digit_files: dict[str, Path], tmp_path: Path) -> None:
    assert "are inputs too" not in str(inspect(InspectOptions(str(digit_files["onnx"]))))
    model = onnx.load(digit_files["onnx"])
    constants = model.graph.initializer
    model.graph.input.extend(helper.make_tensor_value_info(one.name, one.data_type, one.dims) for one in constants)
    path = tmp_path / "old.onnx"
    onnx.save(model, path)
    result = inspect(InspectOptions(str(path)))
    assert result.files[0].contents.replaceable == len(constants)
    assert [spec.name for spec in result.files[0].inputs] == ["image"]
    assert f"{len(constants)} are inputs too" in str(result)
    model.ir_version = 3  # in which they are constants
    onnx.save(model, path)
    assert not inspect(InspectOptions(str(path))).files[0].contents.replaceable


def test_a_broken_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "broken.tflite").write_bytes(b"\x18\x00\x00\x00TFL3")
    with pytest.raises(ModelError, match=r"broken\.tflite is a broken TFLite file"):
        inspect(InspectOptions(str(tmp_path / "broken.tflite")))
