"""Weights in few bits under float computation: the files, what is said of them, and the gate."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgekit.conversion.weights_only import HALF_FILES, WEIGHTS_ONLY_FILES, WEIGHTS_ONLY_HALF, WEIGHTS_ONLY_INT8
from edgekit.errors import GateError, ModelError, UnknownNameError, UsageError
from edgekit.evaluation.inspect import InspectOptions, inspect
from edgekit.quantization.small_weights import SmallWeightsOptions, show, store_small
from edgekit.tasks.quality import Quality

FORMS = [(WEIGHTS_ONLY_INT8, WEIGHTS_ONLY_FILES, "int8"), (WEIGHTS_ONLY_HALF, HALF_FILES, "float16")]


@pytest.mark.parametrize(("recipe", "names", "stored"), FORMS)
def test_the_files_say_their_scheme_and_lose_little(
    digit_files: dict[str, Path],
    small_mnist: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    recipe: str,
    names: tuple[str, str],
    stored: str,
) -> None:
    options = SmallWeightsOptions(str(digit_files["onnx"]), recipe, tmp_path, str(small_mnist), max_drop=1.0)
    result = store_small(options)
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
    show(result)
    printed = capsys.readouterr()
    assert f"{recipe}: weights alone" in printed.out
    assert ("disable_quant_qdq" in printed.err) == (stored == "int8")


def test_no_data_are_needed(digit_files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = store_small(SmallWeightsOptions(str(digit_files["onnx"]), WEIGHTS_ONLY_HALF, tmp_path))
    assert result.drop is None
    assert json.loads((tmp_path / "quantize.json").read_text())["onnx"]["quality"] is None
    show(result)
    assert "not measured" in capsys.readouterr().out


def test_a_drop_beyond_the_gate_leaves_no_file(
    digit_files: dict[str, Path], small_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = Quality(0.95, 0.95, 20.0, drop=5.0)
    monkeypatch.setattr("edgekit.tasks.outputs.Outputs.quality", lambda *_: lost)
    options = SmallWeightsOptions(str(digit_files["onnx"]), WEIGHTS_ONLY_INT8, tmp_path, str(small_mnist), max_drop=1.0)
    with pytest.raises(GateError, match=r"lose 5\.00 points, more than --max-drop 1"):
        store_small(options)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_done_is_said_first(digit_files: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--max-drop needs images"):
        SmallWeightsOptions("model.onnx", WEIGHTS_ONLY_INT8, tmp_path, max_drop=1.0)
    with pytest.raises(UnknownNameError, match="recipe of small weights"):
        SmallWeightsOptions("model.onnx", "weight_only_wi9", tmp_path)
    with pytest.raises(ModelError, match="quantized already"):
        store_small(SmallWeightsOptions(str(digit_files["int8.onnx"]), WEIGHTS_ONLY_INT8, tmp_path))
    with pytest.raises(ModelError, match="starts from float ONNX"):
        store_small(SmallWeightsOptions(str(digit_files["tflite"]), WEIGHTS_ONLY_INT8, tmp_path))
