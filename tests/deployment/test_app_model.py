import hashlib
import json
from pathlib import Path

import pytest

from edgekit.catalog import home_of
from edgekit.deployment.app_model import app_name, read_app_model
from edgekit.errors import DataError, ModelError, RuntimeCrashError, UnknownNameError, UsageError
from edgekit.evaluation.input_options import InputOptions


def test_a_student_is_all_that_an_app_must_know(tflite: Path) -> None:
    student = read_app_model(str(tflite))
    assert student.data == tflite.read_bytes()
    assert json.loads(json.dumps(student.to_dict())) == {
        "name": "mnist-tiny",
        "file": "model.tflite",
        "sha256": hashlib.sha256(tflite.read_bytes()).hexdigest(),
        "runtime": "litert",
        "input": {
            "name": "image",
            "shape": [1, 28, 28, 1],
            "dtype": "int8",
            "scale": pytest.approx(1 / 255),
            "zero_point": -128,
            "layout": "NHWC",
        },
        "output": {
            "name": "logits",
            "shape": [1, 10],
            "dtype": "int8",
            "scale": student.output.scale,
            "zero_point": student.output.zero_point,
            "probabilities": False,
        },
        "takes": "image",
        "contract": {"height": 28, "width": 28, "channels": 1, "mean": (0.0,), "std": (1.0,), "domain": "digit"}
        | {"mean": [0.0], "std": [1.0]},
        "labels": list("0123456789"),
        "golden": {"seed": 0, "output": [-29, -118, -43, -68, 11, -47, -16, -128, 75, -39], "limit": 3},
    }


def test_a_name_takes_the_file_of_the_runtime_that_the_target_likes_best() -> None:
    assert read_app_model("mnist-tiny").file == "model.tflite"
    assert read_app_model("mnist-tiny", preferred=("ort", "litert")).file == "model.onnx"
    assert read_app_model("mnist-tiny", runtime="ort").layout == "NCHW"
    assert read_app_model("mnist-tiny@ort").runtime == "ort"


def test_a_runtime_that_the_target_has_not_is_refused_with_those_that_it_has() -> None:
    with pytest.raises(UsageError, match="would run in tflm, and this target has litert and ort"):
        read_app_model("mnist-tiny@tflm")
    with pytest.raises(UnknownNameError, match="did you mean 'litert'"):
        read_app_model("mnist-tiny", runtime="litter")


def test_an_app_is_called_after_the_file_or_after_its_folder(tflite: Path, tmp_path: Path) -> None:
    file = tmp_path / "Meine Blumen!.int8.tflite"
    file.write_bytes(tflite.read_bytes())
    assert read_app_model(str(file)).name == "meine-blumen"
    assert read_app_model(str(tflite)).name == "mnist-tiny"


def test_a_dot_in_a_files_name_does_not_end_its_name() -> None:
    assert app_name(Path("mobilenet_v1_0.25_128.tflite")) == "mobilenet-v1-0-25-128"
    assert home_of("models/mobilenet_v1_0.25_128.tflite") == Path("runs/mobilenet_v1_0.25_128")
    assert home_of("models/mobilenet_v1_0.5_160.int8.onnx") == Path("runs/mobilenet_v1_0.5_160")


def test_labels_and_domain_may_be_said_where_the_file_does_not(tflite: Path, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("\n".join(f"digit {index}" for index in range(10)))
    student = read_app_model(str(tflite), InputOptions(domain="photo", labels=names))
    assert student.labels[3] == "digit 3"
    assert student.contract.domain == "photo"


@pytest.mark.parametrize("content", [b"", b"garbage" * 100])
def test_a_broken_file_is_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "broken.tflite"
    file.write_bytes(content)
    with pytest.raises((ModelError, RuntimeCrashError, DataError), match=r"broken\.tflite"):
        read_app_model(str(file))
