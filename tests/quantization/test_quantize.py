"""The quantize verb, from a float file to int8 files that keep its answers, or to nothing at all."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx.helper import make_node
from PIL import Image
from small_graphs import graph_of, noise

from edgekit.data import open_data
from edgekit.data.dataset import Dataset
from edgekit.errors import DataError, GateError, ModelError, UnknownNameError, UnsupportedError, UsageError
from edgekit.evaluation.classifier import Classifier
from edgekit.files import sha256_file
from edgekit.inputs.contract import InputContract
from edgekit.inputs.golden import make_inputs
from edgekit.operators.weight_scheme import WeightScheme
from edgekit.options import build
from edgekit.quantization.options import QuantizeOptions
from edgekit.quantization.quantize import QuantizeResult, quantize
from edgekit.quantization.recipes import static_wi8_ai8
from edgekit.quantization.speed import Speed

CONTRACT = InputContract(28, 28, 1, domain="digit")

FILES = {"model.int8.onnx", "model.int8.tflite", "quantize.json"}


@pytest.fixture(scope="module")
def result(float_model: Path, small_mnist: Path, tmp_path_factory: pytest.TempPathFactory) -> QuantizeResult:
    folder = tmp_path_factory.mktemp("int8")
    return quantize(QuantizeOptions(str(float_model), str(small_mnist), folder, calibration=80))


def test_it_writes_both_files_and_a_record(result: QuantizeResult) -> None:
    folder = Path(result.folder)
    assert {path.name for path in folder.iterdir()} == FILES
    record = json.loads((folder / "quantize.json").read_text())
    assert record["tflite"]["sha256"] == sha256_file(folder / "model.int8.tflite") == result.tflite.sha256
    assert record["onnx"]["sha256"] == sha256_file(folder / "model.int8.onnx")
    assert record["drop"] == result.drop


def test_it_says_which_file_is_the_fastest_here(result: QuantizeResult) -> None:
    speed = json.loads((Path(result.folder) / "quantize.json").read_text())["speed"]
    assert set(speed) == {"original_ns", "onnx_ns", "tflite_ns"}
    assert min(speed.values()) > 0
    names = [item.file for item in (result.original, result.onnx, result.tflite)]
    assert f"fastest on one thread of this machine: {Speed(**speed).text(names)}" in str(result)


def test_files_that_cannot_be_run_have_no_speed(tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"nothing")
    assert Speed.of(broken, [broken, broken]) is None


def test_the_fastest_file_comes_first() -> None:
    names = ("float", "onnx", "tflite")
    assert Speed(2e6, 3e6, 1e6).text(names) == "tflite 1 ms; float 2 ms, onnx 3 ms"
    assert Speed(900.0, 3e6, 1e6).text(names) == "float 0.9 µs; tflite 1 ms, onnx 3 ms"


def test_int8_keeps_the_answers(result: QuantizeResult) -> None:
    for file in (result.onnx, result.tflite):
        assert file.quality.agreement >= 0.98
        assert file.quality.sqnr_db is not None
        assert file.quality.sqnr_db > 25
        assert file.file_bytes < result.original.file_bytes
    assert abs(result.drop) <= 2


@pytest.mark.parametrize("io", ["int8", "uint8", "float32"])
def test_both_runtimes_give_the_same_integers_to_within_a_step(
    io: str, float_model: Path, small_mnist: Path, mnist: Dataset, tmp_path: Path
) -> None:
    quantize(QuantizeOptions(str(float_model), str(small_mnist), tmp_path, io=io, ranges="mse", calibration=40))
    images = mnist.test.images[np.arange(200)]
    scores = []
    for name in ("model.int8.onnx", "model.int8.tflite"):
        with Classifier(tmp_path / name) as classifier:
            assert classifier.input.dtype == classifier.output.dtype == io
            scores.append(classifier.scores(images))
    step = min(np.diff(np.unique(scores[0])))
    assert np.abs(scores[0] - scores[1]).max() <= step * 1.01
    assert (scores[0].argmax(axis=1) == scores[1].argmax(axis=1)).mean() >= 0.995


def test_files_describe_themselves_and_their_parent(result: QuantizeResult, float_model: Path) -> None:
    for file, name in ((result.onnx, "model.int8.onnx"), (result.tflite, "model.int8.tflite")):
        with Classifier(Path(result.folder) / name) as classifier:
            metadata = classifier.metadata
            assert metadata.golden is not None
            answer = classifier.session.run(make_inputs(classifier.session.inputs, metadata.golden.seed))[0]
            assert metadata.golden.complaint(answer) == ""
        assert metadata.contract == CONTRACT
        assert metadata.labels == tuple("0123456789")
        assert metadata.recipe == "static_wi8_ai8"
        assert metadata.parents == {"float": sha256_file(float_model)[:32]}
        assert metadata.quality == {"test_accuracy": pytest.approx(file.quality.accuracy)}


def test_the_same_call_gives_the_same_bytes(
    result: QuantizeResult, float_model: Path, small_mnist: Path, tmp_path: Path
) -> None:
    again = quantize(QuantizeOptions(str(float_model), str(small_mnist), tmp_path, calibration=80))
    assert (again.onnx, again.tflite) == (result.onnx, result.tflite)


def test_a_gate_that_is_met_stops_the_ladder_early(
    result: QuantizeResult, float_model: Path, small_mnist: Path, tmp_path: Path
) -> None:
    assert [rung.rung for rung in result.rungs] == [1, 2, 3]
    gated = quantize(QuantizeOptions(str(float_model), str(small_mnist), tmp_path, calibration=80, max_drop=5))
    assert [(rung.rung, rung.kept) for rung in gated.rungs] == [(1, True)]
    assert gated.drop <= 5


def test_the_ladder_goes_on_where_files_miss_a_gate_that_few_images_meet(
    float_model: Path, small_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(static_wi8_ai8, "JUDGING_IMAGES", 1)
    options = QuantizeOptions(
        str(float_model), str(small_mnist), tmp_path, calibration=80, weights=WeightScheme(weight_bits=3), rungs=1
    )
    lost = quantize(options).drop
    assert lost is not None
    result = quantize(replace(options, rungs=3, max_drop=lost / 2))
    assert result.rungs[0].verdict.drop == 0
    assert len(result.rungs) > 1
    assert result.drop is not None
    assert result.drop <= lost / 2


def test_a_gate_that_is_not_met_leaves_nothing(float_model: Path, mnist: Dataset, tmp_path: Path) -> None:
    black = {"x_train": np.zeros((40, 28, 28, 1), np.uint8), "y_train": np.repeat(np.arange(10), 4)}
    black["x_train"][::2] = 1
    digits = mnist.test.take(np.arange(80))
    np.savez(tmp_path / "bad.npz", **black, x_test=digits.images, y_test=digits.labels)
    options = QuantizeOptions(str(float_model), str(tmp_path / "bad.npz"), tmp_path / "out", max_drop=0.5)
    with pytest.raises(GateError, match=r"more than --max-drop 0\.5: float \d+\.\d+%, ONNX .* on 80 test images"):
        quantize(options)
    assert not (tmp_path / "out").exists()


def test_images_without_labels_are_judged_by_agreement(float_model: Path, mnist: Dataset, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for index in range(24):
        Image.fromarray(mnist.test.images[index][:, :, 0]).save(photos / f"{index}.png")
    assert open_data(str(photos), InputContract(28, 28, 1)).train.labels is None
    result = quantize(QuantizeOptions(str(float_model), str(photos), tmp_path / "out", max_drop=20, ranges="mse"))
    assert result.original.quality.accuracy is None
    assert result.drop == pytest.approx(100 * (1 - min(result.onnx.quality.agreement, result.tflite.quality.agreement)))


def test_a_run_folder_stands_for_its_float_model(float_model: Path, small_mnist: Path, tmp_path: Path) -> None:
    shutil.copy(float_model, tmp_path / "model.onnx")
    (tmp_path / "model.int8.onnx").write_bytes(b"an earlier result")
    options = QuantizeOptions(str(tmp_path), str(small_mnist), tmp_path, ranges="minmax", calibration=8)
    assert quantize(options).original.file == "model.onnx"


def test_a_quantized_or_converted_file_is_sent_back_to_its_float_original(
    result: QuantizeResult, small_mnist: Path, tmp_path: Path
) -> None:
    for name, reason in (("model.int8.onnx", "quantized already"), ("model.int8.tflite", "starts from float ONNX")):
        with pytest.raises(ModelError, match=reason):
            quantize(QuantizeOptions(str(Path(result.folder) / name), str(small_mnist), tmp_path / "out"))


def test_an_operator_that_has_no_form_in_tflite_is_named(small_mnist: Path, tmp_path: Path) -> None:
    model = graph_of([make_node("Erf", ["image"], ["out"], name="odd")], {"image": [1, 1, 28, 28]})
    (tmp_path / "odd.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(UnsupportedError, match=r"odd\.onnx: Erf 'odd' has no TFLite form"):
        quantize(QuantizeOptions(str(tmp_path / "odd.onnx"), str(small_mnist), tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_model_that_takes_channels_last_reads_pictures_as_they_are(small_mnist: Path, tmp_path: Path) -> None:
    nodes = [make_node("Flatten", ["image"], ["flat"]), make_node("MatMul", ["flat", "w"], ["out"])]
    model = graph_of(nodes, {"image": [1, 28, 28, 1]}, {"w": noise(784, 10)})
    (tmp_path / "tf.onnx").write_bytes(model.SerializeToString())
    result = quantize(QuantizeOptions(str(tmp_path / "tf.onnx"), str(small_mnist), tmp_path / "out", rungs=1))
    assert all(file.quality is not None and file.quality.sqnr_db > 30 for file in (result.onnx, result.tflite))


@pytest.mark.parametrize("scheme", [{"int8": True}, {"fp16": True}])
def test_sizes_that_the_model_leaves_open_are_said(
    scheme: dict[str, bool], float_model: Path, small_mnist: Path, tmp_path: Path
) -> None:
    model = onnx.load(float_model)
    for dim, name in zip(model.graph.input[0].type.tensor_type.shape.dim[2:], ("height", "width"), strict=True):
        dim.dim_param = name
    (tmp_path / "open.onnx").write_bytes(model.SerializeToString())
    given = {"model": str(tmp_path / "open.onnx"), "data": str(small_mnist), "out": tmp_path / "out", **scheme}
    if "int8" in scheme:
        given |= {"calibration": 20, "rungs": 1, "ranges": "minmax"}
    with pytest.raises(ModelError, match="--shape image=1x1x"):
        quantize(build(QuantizeOptions, given))
    result = quantize(build(QuantizeOptions, {**given, "shape": {"image": (1, 1, 28, 28)}}))
    assert result.tflite.quality.agreement > 0.95


def test_data_of_more_classes_than_the_model_has_are_refused(small_mnist: Path, tmp_path: Path) -> None:
    nodes = [make_node("Flatten", ["image"], ["flat"]), make_node("MatMul", ["flat", "w"], ["out"])]
    model = graph_of(nodes, {"image": [1, 1, 28, 28]}, {"w": noise(784, 3)})
    (tmp_path / "three.onnx").write_bytes(model.SerializeToString())
    options = QuantizeOptions(str(tmp_path / "three.onnx"), str(small_mnist), tmp_path / "out", calibration=4)
    with pytest.raises(DataError, match="gives 3 scores, but the data have a class 9"):
        quantize(options)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"io": "int16"}, UnknownNameError),
        ({"ranges": "entropy"}, UnknownNameError),
        ({"max_drop": -1.0}, UsageError),
        ({"calibration": 0}, UsageError),
    ],
)
def test_options_that_make_no_sense_are_refused_at_once(changes: dict, error: type[Exception], tmp_path: Path) -> None:
    with pytest.raises(error):
        QuantizeOptions("model.onnx", "mnist", tmp_path, **changes)


def test_the_table_shows_all_three_files(result: QuantizeResult) -> None:
    printed = str(result)
    assert all(file.file in printed for file in (result.original, result.onnx, result.tflite))
    assert "static_wi8_ai8, int8 in and out" in printed
