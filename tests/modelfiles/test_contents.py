"""What is in a model file: counted exactly, and refused where the structure does not hold."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_models import METADATA

from edgekit.errors import ModelError
from edgekit.modelfiles.contents import read_contents
from edgekit.modelfiles.session import vet

WEIGHTS = 784 * 10


def test_a_tflite_file_is_counted(digit_files: dict[str, Path]) -> None:
    contents = read_contents(digit_files["int8.tflite"])
    assert contents.operators == {"FULLY_CONNECTED": 1}
    assert contents.constants == {"int8": WEIGHTS, "int32": 10}
    assert contents.weight_bytes == WEIGHTS + 40
    assert contents.overhead_bytes == digit_files["int8.tflite"].stat().st_size - WEIGHTS - 40
    assert contents.parameters == WEIGHTS + 10
    assert contents.metadata("file") == METADATA


def test_an_onnx_file_is_counted(digit_files: dict[str, Path]) -> None:
    contents = read_contents(digit_files["onnx"])
    assert contents.version == "IR 10, opset 17"
    assert contents.operators == {"Flatten": 1, "Gemm": 1}
    assert contents.constants == {"float": WEIGHTS + 10}
    assert contents.weight_bytes == 4 * (WEIGHTS + 10)
    assert contents.metadata("file") == METADATA


def test_a_worker_gives_the_same_answer(digit_files: dict[str, Path]) -> None:
    for path in digit_files.values():
        assert vet(path) == read_contents(path)


def test_a_file_without_a_description_has_empty_metadata(digit_files: dict[str, Path]) -> None:
    assert read_contents(digit_files["int8.tflite"]).metadata("file").labels == METADATA.labels
    bare = digit_files["int8.tflite"].with_name("bare.tflite")
    bare.write_bytes(digit_files["int8.tflite"].read_bytes().replace(b"edgekit", b"another"))
    assert read_contents(bare).metadata("file").labels == ()


@pytest.mark.parametrize("name", ["model.h5", "model.keras", "model.pt"])
def test_a_file_of_another_format_is_refused_by_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"PK\x03\x04")
    with pytest.raises(ModelError, match=r"neither an \.onnx nor a \.tflite"):
        vet(path)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
@pytest.mark.parametrize("name", ["onnx", "int8.onnx", "tflite", "int8.tflite"])
def test_a_truncated_file_is_refused(digit_files: dict[str, Path], tmp_path: Path, name: str, share: float) -> None:
    data = digit_files[name].read_bytes()
    path = tmp_path / f"cut.{name}"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ModelError, match="cut"):
        read_contents(path)
