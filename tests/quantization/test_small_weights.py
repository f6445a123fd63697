"""Weights in few bits under float computation: the files, what is said of them, and the gate."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgekit.console import Remark
from edgekit.errors import GateError, ModelError, UsageError
from edgekit.evaluation.inspect import InspectOptions, inspect
from edgekit.quantization.options import QuantizeOptions
from edgekit.quantization.quantize import quantize
from edgekit.tasks.quality import Quality

SCHEMES = [
    ({"int8": True, "weights_only": True}, "weight_only_wi8_af32", "model.weights8", "int8"),
    ({"fp16": True}, "weight_only_wf16_af32", "model.fp16", "float16"),
]


@pytest.mark.parametrize(("scheme", "recipe", "name", "stored"), SCHEMES)
def test_the_files_say_their_scheme_and_lose_little(
    digit_files: dict[str, Path],
    small_mnist: Path,
    tmp_path: Path,
    scheme: dict[str, bool],
    recipe: str,
    name: str,
    stored: str,
) -> None:
    result = quantize(QuantizeOptions(str(digit_files["onnx"]), str(small_mnist), tmp_path, max_drop=1.0, **scheme))
    names = (f"{name}.onnx", f"{name}.tflite")
    assert {item.name for item in tmp_path.iterdir()} == {*names, "quantize.json"}
    for name, item in zip(names, (result.onnx, result.tflite), strict=True):
        (facts,) = inspect(InspectOptions(str(tmp_path / name))).files
        assert facts.contents.scheme.startswith(f"{stored} weights; computes in float32")
        assert facts.metadata.recipe == recipe
        assert (facts.inputs[0].dtype, facts.outputs[0].dtype) == ("float32", "float32")
        assert facts.metadata.quality == {"test_accuracy": pytest.approx(item.quality.accuracy)}
        assert item.quality.agreement > 0.98
        assert item.file_bytes < 0.6 * digit_files["onnx"].stat().st_size
    record = json.loads((tmp_path / "quantize.json").read_text())
    assert (record["recipe"], record["io"], record["undelegated"]) == (recipe, "float32", [])
    assert f"{recipe}: weights alone" in str(result)
    remarks = "".join(part for part in result.parts() if isinstance(part, Remark))
    assert ("disable_quant_qdq" in remarks) == (stored == "int8")


def test_no_data_are_needed(digit_files: dict[str, Path], tmp_path: Path) -> None:
    result = quantize(QuantizeOptions(str(digit_files["onnx"]), out=tmp_path, fp16=True))
    assert result.drop is None
    assert json.loads((tmp_path / "quantize.json").read_text())["onnx"]["quality"] is None
    assert "not measured" in str(result)


def test_a_drop_beyond_the_gate_leaves_no_file(
    digit_files: dict[str, Path], small_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = Quality(0.95, 0.95, 20.0, drop=5.0)
    monkeypatch.setattr("edgekit.tasks.outputs.Outputs.quality", lambda *_: lost)
    options = QuantizeOptions(str(digit_files["onnx"]), str(small_mnist), tmp_path, weights_only=True, max_drop=1.0)
    with pytest.raises(GateError, match=r"lose 5\.00 points, more than --max-drop 1"):
        quantize(options)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_done_is_said_first(digit_files: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--max-drop needs images"):
        QuantizeOptions("model.onnx", out=tmp_path, fp16=True, max_drop=1.0)
    with pytest.raises(UsageError, match="keep the float input as it is"):
        QuantizeOptions("model.onnx", out=tmp_path, weights_only=True, calibration=100)
    with pytest.raises(UsageError, match="Say one scheme"):
        QuantizeOptions("model.onnx", out=tmp_path, int8=True, fp16=True)
    with pytest.raises(ModelError, match="quantized already"):
        quantize(QuantizeOptions(str(digit_files["int8.onnx"]), out=tmp_path, weights_only=True))
    with pytest.raises(ModelError, match="starts from float ONNX"):
        quantize(QuantizeOptions(str(digit_files["tflite"]), out=tmp_path, fp16=True))
