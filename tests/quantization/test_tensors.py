"""Models of any fixed inputs, from the float file and an .npz to int8 files that are compared with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, save
from PIL import Image
from small_graphs import graph_of, noise

from edgekit.deployment.deploy import DeployOptions, deploy
from edgekit.diagnosis.model import diagnose
from edgekit.errors import DataError, ModelError
from edgekit.evaluation.compare import CompareOptions, Comparison, OutputsComparison, compare
from edgekit.evaluation.evaluate import EvaluateOptions, evaluate
from edgekit.evaluation.input_options import InputOptions
from edgekit.evaluation.predict import PredictOptions, predict
from edgekit.modelfiles.session import FileSession
from edgekit.quantization.options import QuantizeOptions
from edgekit.quantization.quantize import QuantizeResult, quantize

node = helper.make_node
SAMPLES = 36


def keywords() -> ModelProto:
    """Spectra [1, 10, 24] to scores of four words."""
    nodes = [
        node("Conv", ["mel", "w"], ["c"], strides=[2], pads=[2, 2]),
        node("Relu", ["c"], ["r"]),
        node("GlobalAveragePool", ["r"], ["g"]),
        node("Flatten", ["g"], ["f"]),
        node("Gemm", ["f", "m"], ["scores"], transB=1),
    ]
    return graph_of(nodes, {"mel": (1, 10, 24)}, {"w": noise(8, 10, 5) / 5, "m": noise(4, 8)}, outputs=["scores"])


def sound() -> ModelProto:
    """Raw audio [1, 1, 400]."""
    nodes = [
        node("Conv", ["wave", "w"], ["c"], strides=[8]),
        node("Relu", ["c"], ["r"]),
        node("GlobalAveragePool", ["r"], ["g"]),
        node("Flatten", ["g"], ["scores"]),
    ]
    return graph_of(nodes, {"wave": ("batch", 1, 400)}, {"w": noise(6, 1, 16) / 4}, outputs=["scores"])


def twins() -> ModelProto:
    """Two images through the same layer, and how far they are from each other."""
    nodes = [
        *(
            made
            for name in ("left", "right")
            for made in (
                node("Conv", [name, "w"], [f"{name} c"], strides=[2, 2]),
                node("Relu", [f"{name} c"], [f"{name} r"]),
                node("GlobalAveragePool", [f"{name} r"], [f"{name} features"]),
            )
        ),
        node("Sub", ["left features", "right features"], ["difference"]),
        node("Mul", ["difference", "difference"], ["square"]),
        node("Flatten", ["square"], ["flat"]),
        node("ReduceSum", ["flat", "axes"], ["distance"]),
    ]
    constants = {"w": noise(8, 3, 3, 3), "axes": np.array([1])}
    inputs = dict.fromkeys(("left", "right"), (1, 3, 12, 12))
    return graph_of(nodes, inputs, constants, outputs=["distance", "left features"])


def channels_last() -> ModelProto:
    """An image [1, 12, 12, 3] as Keras has it, rescaled, with the Transpose that tf2onnx writes."""
    nodes = [
        node("Mul", ["image", "scale"], ["scaled"]),
        node("Transpose", ["scaled"], ["first"], perm=[0, 3, 1, 2]),
        node("Conv", ["first", "w"], ["c"], strides=[2, 2], pads=[1, 1, 1, 1]),
        node("Relu", ["c"], ["r"]),
        node("GlobalAveragePool", ["r"], ["g"]),
        node("Flatten", ["g"], ["scores"]),
    ]
    return graph_of(
        nodes, {"image": ("batch", 12, 12, 3)}, {"w": noise(6, 3, 3, 3), "scale": np.float32(2)}, outputs=["scores"]
    )


def tokens() -> ModelProto:
    """Integers beside real values, without a batch."""
    nodes = [
        node("Cast", ["ids"], ["real ids"], to=TensorProto.FLOAT),
        node("Add", ["real ids", "x"], ["both"]),
        node("MatMul", ["both", "m"], ["scores"]),
    ]
    model = graph_of(nodes, {"ids": (2, 4), "x": (2, 4)}, {"m": noise(4, 3)}, outputs=["scores"])
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.INT32
    return model


MODELS = {
    "keywords": (keywords, {"mel": (10, 24)}),
    "sound": (sound, {"wave": (1, 400)}),
    "twins": (twins, {"left": (3, 12, 12), "right": (3, 12, 12)}),
    "channels_last": (channels_last, {"image": (12, 12, 3)}),
    "tokens": (tokens, {"ids": (2, 4), "x": (2, 4)}),
}


def quantized(name: str, folder: Path, **options: object) -> QuantizeResult:
    make, shapes = MODELS[name]
    save(make(), folder / "float.onnx")
    arrays = {key: noise(SAMPLES, *shape, seed=place) for place, (key, shape) in enumerate(shapes.items())}
    if "ids" in arrays:
        arrays["ids"] = np.arange(SAMPLES * 8, dtype=np.int32).reshape(SAMPLES, 2, 4) % 7
    np.savez(folder / "data.npz", **arrays)
    data, out = str(folder / "data.npz"), folder / "out"
    return quantize(QuantizeOptions(str(folder / "float.onnx"), data, out, int8=True, rungs=1, **options))


@pytest.mark.parametrize("name", MODELS)
def test_a_float_model_of_any_inputs_becomes_int8_files_that_answer_alike(name: str, tmp_path: Path) -> None:
    result = quantized(name, tmp_path)
    for file in (result.onnx, result.tflite):
        assert file.quality is not None
        assert file.quality.sqnr_db > 25
    files = [str(tmp_path / "out" / file) for file in ("model.int8.onnx", "model.int8.tflite")]
    answer = compare(CompareOptions(*files, str(tmp_path / "data.npz")))
    found = [answer.fidelity] if isinstance(answer, Comparison) else answer.outputs
    assert all(each.sqnr_db is None or each.sqnr_db > 40 for each in found)


def test_several_outputs_are_compared_one_by_one(tmp_path: Path) -> None:
    quantized("twins", tmp_path)
    files = [str(tmp_path / "float.onnx"), str(tmp_path / "out" / "model.int8.tflite")]
    answer = compare(CompareOptions(*files, str(tmp_path / "data.npz")))
    assert isinstance(answer, OutputsComparison)
    assert [output.name for output in answer.outputs] == ["distance", "left features"]
    assert "6 samples of" in str(answer)


def test_a_small_recurrent_network_is_said_to_grow(tmp_path: Path) -> None:
    constants = {"w": noise(1, 16, 3), "r": noise(1, 16, 4)}
    steps = node("LSTM", ["sound", "w", "r"], ["", "last"], hidden_size=4)
    save(graph_of([steps], {"sound": (6, 1, 3)}, constants, outputs=["last"]), tmp_path / "float.onnx")
    result = quantize(
        QuantizeOptions(str(tmp_path / "float.onnx"), {"sound": noise(20, 6, 3)}, tmp_path / "out", rungs=1)
    )
    assert result.tflite.file_bytes > result.original.file_bytes
    assert "model.int8.tflite, since each step of its LSTM is written out" in " ".join(str(result).split())
    assert "few weights" in quantized("keywords", tmp_path).growth


def test_an_image_with_its_channels_last_keeps_them_there(tmp_path: Path) -> None:
    quantized("channels_last", tmp_path)
    for file in ("model.int8.onnx", "model.int8.tflite"):
        with FileSession(tmp_path / "out" / file, threads=1) as session:
            assert session.inputs[0].shape == (1, 12, 12, 3)


def test_a_file_that_arrays_calibrated_takes_no_pictures_unless_it_is_said_how(tmp_path: Path) -> None:
    quantized("channels_last", tmp_path)
    photos = (np.zeros((SAMPLES, 12, 12, 3), np.uint8), np.arange(SAMPLES) % 6)
    file, picture, sample = tmp_path / "out" / "model.int8.tflite", tmp_path / "photo.png", tmp_path / "one.npy"
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(picture)
    for refused in (
        lambda: predict(PredictOptions(str(file), (picture,))),
        lambda: deploy(DeployOptions(str(file), "pi", tmp_path / "pi")),
        lambda: compare(CompareOptions(str(tmp_path / "float.onnx"), str(file), photos)),
    ):
        with pytest.raises(ModelError, match="was calibrated on arrays and takes no pictures"):
            refused()
    np.save(sample, noise(12, 12, 3))
    assert predict(PredictOptions(str(file), (sample,))).labels
    assert predict(PredictOptions(str(file), (picture,), input=InputOptions(mean=(0.0,), std=(1.0,)))).labels


def test_pictures_of_a_folder_calibrate_an_image_with_its_channels_last(tmp_path: Path) -> None:
    save(channels_last(), tmp_path / "float.onnx")
    images = np.random.default_rng(0).integers(0, 256, (SAMPLES, 12, 12, 3)).astype(np.uint8)
    np.savez(tmp_path / "photos.npz", images=images)
    options = QuantizeOptions(str(tmp_path / "float.onnx"), str(tmp_path / "photos.npz"), tmp_path / "out", rungs=1)
    result = quantize(options)
    assert result.tflite.quality is not None
    assert result.tflite.quality.sqnr_db > 30


def test_labels_measure_a_classifier_of_tensors(tmp_path: Path) -> None:
    save(keywords(), tmp_path / "float.onnx")
    np.savez(tmp_path / "data.npz", mel=noise(SAMPLES, 10, 24), labels=np.arange(SAMPLES) % 4)
    (found,) = evaluate(EvaluateOptions((str(tmp_path / "float.onnx"),), str(tmp_path / "data.npz"))).evaluations
    assert found.figures.images == 8


@pytest.mark.parametrize("pictures", [True, False])
def test_only_of_pictures_it_is_said_how_they_become_the_input(
    pictures: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(graph_of([node("Flatten", ["spectrum"], ["out"])], {"spectrum": (1, 1, 2, 3)}), tmp_path / "float.onnx")
    samples = {"images": np.zeros((SAMPLES, 2, 3), np.uint8)} if pictures else {"spectrum": noise(SAMPLES, 2, 3)}
    np.savez(tmp_path / "data.npz", **samples, labels=np.arange(SAMPLES) % 6)
    model, data = str(tmp_path / "float.onnx"), str(tmp_path / "data.npz")
    for measure in (
        lambda: evaluate(EvaluateOptions((model,), data)),
        lambda: compare(CompareOptions(model, model, data)),
    ):
        measure()
        assert ("pixel / 255" in capsys.readouterr().err) == pictures


def test_a_number_that_the_model_knows_not_is_said_as_its_node_says_it(tmp_path: Path) -> None:
    model = graph_of(
        [node("Gather", ["table", "ids"], ["out"], name="look up")], {"ids": (1, 2)}, {"table": noise(5, 2)}
    )
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.INT64
    save(model, tmp_path / "float.onnx")
    with (
        FileSession(tmp_path / "float.onnx") as session,
        pytest.raises(ModelError, match=r"cannot be run \(look up: indices element out of .*\); check its inputs"),
    ):
        session.run([np.array([[1, 9]])])


def test_a_single_sample_calibrates_nothing(tmp_path: Path) -> None:
    save(keywords(), tmp_path / "float.onnx")
    with pytest.raises(DataError, match="one sample of 'mel' says too little"):
        quantize(QuantizeOptions(str(tmp_path / "float.onnx"), {"mel": noise(1, 10, 24)}, tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_values_that_are_not_finite_are_refused_with_the_file(tmp_path: Path) -> None:
    nodes = [node("Exp", ["frame"], ["power"]), node("Sigmoid", ["power"], ["s"]), node("MatMul", ["s", "w"], ["out"])]
    save(graph_of(nodes, {"frame": (1, 16)}, {"w": noise(16, 4)}), tmp_path / "float.onnx")
    options = QuantizeOptions(str(tmp_path / "float.onnx"), {"frame": 1000 * noise(SAMPLES, 16)}, tmp_path / "out")
    with pytest.raises(ModelError, match=r"float\.onnx: Tensor 'power' takes values that are not finite"):
        quantize(options)


def autoencoder(scale: float = 1.0) -> ModelProto:
    """Frames [1, 16] through four values and back; with ``scale`` 0 it gives zeros whatever comes in."""
    basis = np.linalg.qr(noise(16, 4))[0].astype(np.float32)
    nodes = [node("MatMul", ["frame", "down"], ["code"]), node("MatMul", ["code", "up"], ["out"])]
    return graph_of(nodes, {"frame": (1, 16)}, {"down": scale * basis, "up": basis.T.copy()})


def test_an_autoencoder_is_judged_by_how_well_its_error_tells_anomalies(tmp_path: Path) -> None:
    save(autoencoder(), tmp_path / "float.onnx")
    basis = np.linalg.qr(noise(16, 4))[0].astype(np.float32)
    usual = noise(60, 4, seed=1) @ basis.T
    test = np.concatenate([usual[:20], noise(20, 16, seed=2)])
    arrays = {"frame_train": usual[20:], "frame_test": test, "labels_test": np.repeat([0, 1], 20)}
    np.savez(tmp_path / "frames.npz", **arrays)
    options = QuantizeOptions(str(tmp_path / "float.onnx"), str(tmp_path / "frames.npz"), tmp_path / "out", rungs=1)
    for file in (quantize(options).original, quantize(options).tflite):
        assert file.quality is not None
        assert (file.quality.metric, file.quality.accuracy) == ("AUC", 1.0)


def test_a_model_that_gives_the_same_for_all_samples_is_refused(tmp_path: Path) -> None:
    save(autoencoder(scale=0.0), tmp_path / "float.onnx")
    with pytest.raises(ModelError, match="gives the same 'out' for all samples"):
        quantize(QuantizeOptions(str(tmp_path / "float.onnx"), {"frame": noise(30, 16)}, tmp_path / "out"))
    with pytest.raises(ModelError, match="gives the same 'out' for all samples"):
        diagnose(QuantizeOptions(str(tmp_path / "float.onnx"), {"frame": noise(30, 16)}))


def test_labels_that_do_not_fit_are_refused_by_the_doctor_too(tmp_path: Path) -> None:
    save(keywords(), tmp_path / "float.onnx")
    samples = {"mel": noise(SAMPLES, 10, 24)}
    for labels, sentence in (
        (np.arange(SAMPLES) % 4 * 3, "gives 4 scores, but the data have a class 9"),
        (np.arange(SAMPLES) % 4 - 1, "gives 4 values, and the labels have 1 for each sample"),
    ):
        with pytest.raises(DataError, match=sentence):
            diagnose(QuantizeOptions(str(tmp_path / "float.onnx"), samples | {"labels": labels}))


def test_an_index_that_a_table_has_not_is_a_sentence_wherever_it_is_found(tmp_path: Path) -> None:
    nodes = [node("Gather", ["table", "ids"], ["e"]), node("Flatten", ["e"], ["f"]), node("MatMul", ["f", "m"], ["z"])]
    model = graph_of(nodes, {"ids": (1, 5)}, {"table": noise(10, 4), "m": noise(20, 3)}, outputs=["z"])
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.INT64
    save(model, tmp_path / "float.onnx")
    good = np.random.default_rng(0).integers(0, 10, (SAMPLES, 5))
    data = {"ids_train": np.full((SAMPLES, 5), 77) + good, "ids_validation": good, "ids_test": good}
    for verb in (quantize, diagnose):
        with pytest.raises(ModelError, match=r"float\.onnx cannot be run \(indices element out of data bounds"):
            verb(QuantizeOptions(str(tmp_path / "float.onnx"), data, tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_usual_samples_with_labels_are_judged_by_their_error(tmp_path: Path) -> None:
    save(autoencoder(), tmp_path / "float.onnx")
    data = {"frame_train": noise(SAMPLES, 16), "labels_train": np.zeros(SAMPLES, int)}
    data |= {"frame_test": noise(10, 16), "labels_test": np.arange(10) % 2}
    found = diagnose(QuantizeOptions(str(tmp_path / "float.onnx"), data))
    assert "mean squared error" in str(found)
    assert "nan" not in str(found)


def test_pictures_are_refused_by_a_model_of_other_things_with_what_it_takes(tmp_path: Path) -> None:
    save(keywords(), tmp_path / "float.onnx")
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "photo.png")
    with pytest.raises(ModelError, match=r"not one image .* predict give it an \.npz or \.npy\.$"):
        predict(PredictOptions(str(tmp_path / "float.onnx"), (tmp_path / "photo.png",)))


def test_an_array_in_hand_is_data_of_quantize_and_compare(tmp_path: Path) -> None:
    save(keywords(), tmp_path / "float.onnx")
    model, samples = str(tmp_path / "float.onnx"), noise(SAMPLES, 10, 24)
    assert quantize(QuantizeOptions(model, samples, tmp_path / "out", rungs=1)).calibration_images == 28
    assert isinstance(compare(CompareOptions(model, model, samples)), Comparison)


def test_where_no_data_are_named_the_refusal_of_mnist_asks_for_them(tmp_path: Path) -> None:
    save(channels_last(), tmp_path / "float.onnx")
    for verb in (quantize, diagnose):
        with pytest.raises(DataError, match=r"Name your data with --data; mnist.* needs 12x12x3"):
            verb(QuantizeOptions(str(tmp_path / "float.onnx"), out=tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_values_too_large_for_float32_are_named_with_their_input(tmp_path: Path) -> None:
    save(keywords(), tmp_path / "float.onnx")
    samples = noise(30, 10, 24)
    samples[::4, 0, 0] = -1e30
    with pytest.raises(DataError, match="'mel' holds values as large as 1e\\+30"):
        quantize(QuantizeOptions(str(tmp_path / "float.onnx"), {"mel": samples}, tmp_path / "out"))


def test_samples_that_are_all_the_same_are_named_before_anything_is_computed(tmp_path: Path) -> None:
    save(keywords(), tmp_path / "float.onnx")
    with pytest.raises(DataError, match="all samples of 'mel' are the same"):
        quantize(QuantizeOptions(str(tmp_path / "float.onnx"), {"mel": np.ones((30, 10, 24))}, tmp_path / "out"))
