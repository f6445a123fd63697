"""Two files or two runtimes against each other."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from onnx import save
from tiny_models import Linear, float_onnx, packed, quantized, tflite_model

from edgekit.data.dataset import Dataset
from edgekit.errors import DataError, ModelError
from edgekit.evaluation.compare import CompareOptions, compare_samples
from edgekit.evaluation.evaluate import EvaluateOptions, evaluate


def test_one_file_gives_equal_integers_in_litert_and_tflite_micro(
    digit_files: dict[str, Path], small_mnist: Path
) -> None:
    path = digit_files["int8.tflite"]
    result = compare_samples(CompareOptions(str(path), f"{path}@tflm", str(small_mnist), images=100))
    assert (result.reference.runtime, result.other.runtime, result.images) == ("litert", "tflm", 100)
    parity = result.fidelity.parity
    assert parity is not None
    assert parity.differences == {0: 1000}
    assert (parity.equal_images, parity.equal_share, parity.largest) == (100, 1.0, 0)
    assert (result.agreement, result.fidelity.sqnr_db, result.disagreements) == (1.0, None, ())
    assert "100 of 100" in str(result)
    assert "samples with all equal" in str(result)


def test_a_reference_that_answers_zero_to_all_is_not_called_equal(
    digit_files: dict[str, Path], linear: Linear, small_mnist: Path, tmp_path: Path
) -> None:
    silent = Linear(np.zeros_like(linear.weights), np.zeros_like(linear.bias))
    save(float_onnx(silent), tmp_path / "silent.onnx")
    result = compare_samples(
        CompareOptions(str(tmp_path / "silent.onnx"), str(digit_files["onnx"]), str(small_mnist), images=20)
    )
    assert result.fidelity.sqnr_db is None
    assert "no signal" in str(result)


def test_the_int8_onnx_file_is_within_one_step_of_the_int8_tflite_file(
    digit_files: dict[str, Path], small_mnist: Path
) -> None:
    result = compare_samples(
        CompareOptions(str(digit_files["int8.tflite"]), str(digit_files["int8.onnx"]), str(small_mnist))
    )
    assert result.fidelity.parity is not None
    assert result.fidelity.parity.largest <= 1
    assert result.images == 300
    assert json.loads(json.dumps(result.to_dict()))["parity"]["equal_share"] == result.fidelity.parity.equal_share


def test_pictures_without_labels_are_enough(digit_files: dict[str, Path], mnist: Dataset, tmp_path: Path) -> None:
    np.save(tmp_path / "digits.npy", mnist.test.images[:30])
    files = str(digit_files["onnx"]), str(digit_files["int8.tflite"])
    result = compare_samples(CompareOptions(*files, str(tmp_path / "digits.npy")))
    assert (result.images, result.split) == (30, "train")
    assert "30 train images" in " ".join(str(result).split())
    with pytest.raises(DataError, match="The evaluation samples have no labels"):
        evaluate(EvaluateOptions(files, str(tmp_path / "digits.npy")))


def test_a_float_reference_has_fidelity_but_no_parity(digit_files: dict[str, Path], small_mnist: Path) -> None:
    result = compare_samples(
        CompareOptions(str(digit_files["onnx"]), str(digit_files["int8.tflite"]), str(small_mnist))
    )
    assert result.fidelity.parity is None
    assert result.fidelity.sqnr_db is not None
    assert result.fidelity.sqnr_db > 25
    assert result.agreement > 0.97
    assert len(result.disagreements) == round((1 - result.agreement) * result.images)


def test_other_weights_are_found_out(
    digit_files: dict[str, Path], linear: Linear, small_mnist: Path, tmp_path: Path
) -> None:
    flipped = Linear(linear.weights[:, ::-1], linear.bias[::-1])
    (tmp_path / "flipped.tflite").write_bytes(packed(tflite_model(quantized(flipped))))
    result = compare_samples(
        CompareOptions(str(digit_files["int8.tflite"]), str(tmp_path / "flipped.tflite"), str(small_mnist))
    )
    assert result.agreement < 0.2
    assert result.fidelity.parity is not None
    assert result.fidelity.parity.largest > 10


def test_models_of_different_tasks_are_not_compared(
    digit_files: dict[str, Path], linear: Linear, small_mnist: Path, tmp_path: Path
) -> None:
    model = tflite_model(linear)
    graph = model.subgraphs[0]
    graph.tensors[1].shape, graph.tensors[2].shape, graph.tensors[3].shape = [9, 784], [9], [1, 9]
    model.buffers[2].data = np.frombuffer(linear.weights.T[:9].tobytes(), np.uint8)
    model.buffers[3].data = np.frombuffer(linear.bias[:9].tobytes(), np.uint8)
    (tmp_path / "nine.tflite").write_bytes(packed(model))
    with pytest.raises(ModelError, match="compare models of the same task"):
        compare_samples(CompareOptions(str(digit_files["tflite"]), str(tmp_path / "nine.tflite"), str(small_mnist)))
