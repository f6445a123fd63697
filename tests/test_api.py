"""The Python API: what is public, loaded when used, and each verb with its options by their names."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import edgekit
from edgekit.api import verbs
from edgekit.api.verbs import Verb
from edgekit.data.dataset import Dataset
from edgekit.errors import DataError, GateError, ModelError, UnknownNameError, UsageError
from edgekit.evaluation.evaluate import EvaluateOptions
from edgekit.options import places

VERBS = [name for name in edgekit.__all__ if isinstance(getattr(edgekit, name), Verb)]

STUDENT = Path(__file__).parent.parent / "students" / "mnist-tiny"


def test_importing_loads_nothing_and_using_loads_what_is_used() -> None:
    probe = """
import sys
before = set(sys.modules)
import edgekit
print(sorted(name for name in set(sys.modules) - before if name.partition(".")[0] not in sys.stdlib_module_names))
edgekit.quantize
print([name for name in ("numpy", "torch", "onnx", "typer", "rich") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["['edgekit']", "[]"]


@pytest.mark.parametrize("name", VERBS)
def test_a_verb_tells_its_options_with_their_defaults_and_help(name: str) -> None:
    verb = getattr(edgekit, name)
    parameters = inspect.signature(verb).parameters
    for place in places(verb.load()[1]):
        assert place.item.name in parameters
        assert place.option.help in inspect.getdoc(verb).replace("\n", " ")


def test_a_verb_stays_where_a_package_of_its_name_is_imported() -> None:
    import_module("edgekit.search.space")
    assert edgekit.search is verbs.search


def test_the_defaults_are_the_commands() -> None:
    assert inspect.signature(edgekit.evaluate).parameters["data"].default == EvaluateOptions().data == "mnist"


def test_what_is_not_public_is_not_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'quantise'"):
        edgekit.quantise  # noqa: B018
    assert set(edgekit.__all__) <= set(dir(edgekit))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: edgekit.quantize("mnist-tiny", max_dropp=1), "did you mean 'max_drop'?"),
        (lambda: edgekit.evaluate("mnist-tinny"), "did you mean 'mnist-tiny'?"),
        (lambda: edgekit.evaluate("mnist-tiny", "mnist"), "Only models may be given without a name"),
        (lambda: edgekit.inspect(3), "A int is no model here"),
        (lambda: edgekit.export(3), "A int is no model here"),
        (lambda: edgekit.inspect(), "'model' is missing"),
        (lambda: edgekit.open("mnist-tiny", meen=(0.5,)), "did you mean 'mean'?"),
    ],
)
def test_a_mistake_is_answered_with_the_way_out(call: Any, message: str) -> None:
    with pytest.raises(edgekit.EdgekitError) as caught:
        call()
    assert message in str(caught.value)


def test_an_open_model_sees_files_pictures_and_arrays_alike(mnist: Dataset, tmp_path: Path) -> None:
    digits = mnist.test.images[:5]
    paths = [tmp_path / f"{index}.png" for index in range(5)]
    for path, digit in zip(paths, digits, strict=True):
        Image.fromarray(digit[:, :, 0]).resize((56, 56)).save(path)
    with edgekit.open("mnist-tiny") as model:
        assert model.labels == tuple("0123456789")
        assert (model.runtime, model.contract.shape) == ("litert", (28, 28, 1))
        by_file = model.predict([str(path) for path in paths], top=2)
        assert by_file.labels == tuple(str(label) for label in mnist.test.labels[:5])
        pictures = [Image.open(path) for path in paths]
        assert model.predict(pictures).labels == by_file.labels
        assert model.predict([np.asarray(picture) for picture in pictures]).labels == by_file.labels
        assert model.predict(list(digits)).labels == by_file.labels
        assert model.predict(digits[0]).predictions[0].input == "picture 0"
        with pytest.raises(DataError, match="picture 0 is float64"):
            model.predict(np.zeros((28, 28)))
        with pytest.raises(DataError, match="picture 0: its pixels are floating-point numbers; save it with 8 bits"):
            model.predict(Image.new("F", (28, 28)))


def test_every_verb_takes_an_open_model(tmp_path: Path) -> None:
    with edgekit.quiet(), edgekit.open("mnist-tiny@ort") as small, edgekit.open(f"{STUDENT}/model.onnx") as whole:
        assert edgekit.inspect(small).files[0].path == str(small.path)
        assert edgekit.export(whole, out=tmp_path / "export").path.is_file()
        assert edgekit.deploy(small, out=tmp_path / "app").runtime == "ort"
        assert [one.runtime for one in edgekit.evaluate([small, whole], images=10).evaluations] == ["ort", "ort"]


def test_an_open_model_runs_on_tensors_by_name() -> None:
    with edgekit.open("mnist-tiny@ort") as model:
        found = model.run({"image": np.full(model.inputs[0].shape, -128, np.int8)})
        assert [(name, value.shape, value.dtype) for name, value in found.items()] == [("logits", (1, 10), np.int8)]
        with pytest.raises(UnknownNameError, match="did you mean 'image'"):
            model.run({"imag": 0})
        with pytest.raises(UsageError, match=r"'image' of .* is int8"):
            model.run({"image": np.zeros((1, 1, 28, 28), np.float32)})
        with pytest.raises(UsageError, match="also takes 'image'"):
            model.run({})


def test_a_model_that_is_no_classifier_runs_and_says_why_it_does_not_predict(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    made = edgekit.export(torch.nn.Conv2d(3, 2, 3), to="onnx", example=(1, 3, 8, 8), out=tmp_path)
    with edgekit.open(made.path) as model:
        image = np.ones((1, 3, 8, 8), np.float32)
        assert model.run({"image": image})["logits"].shape == (1, 2, 6, 6)
        with pytest.raises(ModelError, match="not one row of scores"):
            model.predict(image[0])


def test_a_network_becomes_verified_files_that_other_verbs_take(tmp_path: Path) -> None:
    nn = pytest.importorskip("torch").nn
    labels = np.repeat(np.arange(3), 40)
    images = (np.random.default_rng(0).integers(0, 60, (120, 8, 8, 3)) + 60 * labels[:, None, None, None]).astype("u1")
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    data = (images, labels)
    made = edgekit.quantize(network, data=data, calibration=16, rungs=1, out=tmp_path)
    assert network.training
    assert {path.name for path in tmp_path.iterdir()} >= {"model.onnx", "model.int8.onnx", "model.int8.tflite"}
    assert "model.int8.tflite" in str(made)
    assert "<td>model.int8.tflite</td>" in made._repr_html_()
    assert json.loads(json.dumps(made.to_dict()))["calibration_images"] == 16
    with edgekit.open(tmp_path / "model.int8.tflite") as model:
        found = edgekit.evaluate([model, tmp_path / "model.onnx"], data=data)
        assert [item.runtime for item in found.evaluations] == ["litert", "ort"]
        same = edgekit.compare(model, str(tmp_path / "model.int8.onnx"), data=data, images=10)
        assert same.to_dict()["agreement"] == 1.0
    with pytest.raises(GateError):
        edgekit.quantize(nn.Conv2d(3, 3, 8), data=data, weight_bits=2, rungs=1, max_drop=0, out=tmp_path / "gate")


def test_a_network_of_several_inputs_is_quantized_on_arrays_by_their_names(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    nn = torch.nn
    torch.manual_seed(0)

    class Meeting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.other = nn.Linear(6, 3), nn.Linear(4, 3)

        def forward(self, left: Any, right: Any) -> Any:
            return self.one(left) + self.other(right)

    generator = np.random.default_rng(0)
    data = {"left": generator.random((40, 6), np.float32), "right": generator.random((40, 4), np.float32)}
    found = edgekit.quantize(Meeting(), data=data, out=tmp_path, rungs=1)
    assert found.tflite.quality is not None
    assert found.tflite.quality.sqnr_db > 20
    assert edgekit.compare(found.folder + "/model.onnx", found.folder + "/model.int8.tflite", data=data).images == 7


def test_a_network_needs_a_shape_and_a_forward_that_can_be_exported(tmp_path: Path) -> None:
    nn = pytest.importorskip("torch").nn
    with pytest.raises(UsageError, match=r"give example=\(1, 3, 224, 224\), or data"):
        edgekit.export(nn.Flatten(), out=tmp_path)
    with pytest.raises(UsageError, match="not \\(3, 8, 8\\)"):
        edgekit.export(nn.Flatten(), example=(3, 8, 8), out=tmp_path)
    with pytest.raises(ModelError, match="Linear cannot be exported"):
        edgekit.export(nn.Linear(7, 2), example=(1, 3, 8, 8), out=tmp_path)
    assert not list(tmp_path.iterdir())
