from __future__ import annotations

import io
import json
import linecache
import os
import pickle
import zipfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edgekit import catalog
from edgekit.artifact import Metadata
from edgekit.conversion.torch_onnx import example_of, to_onnx
from edgekit.data.dataset import Dataset
from edgekit.errors import ModelError, UnknownNameError, UsageError
from edgekit.inputs.contract import InputContract
from edgekit.training.answers.ensemble import check_teacher
from edgekit.training.teachers import TeacherOptions, open_teacher
from edgekit.training.weights import load_weights, save_weights
from edgekit.zoo import build

SHAPE = (28, 28, 1)
CONTRACT = InputContract(*SHAPE)
FACTORY = """
import torch
from torch import nn

def make():
    torch.manual_seed(7)
    return nn.Sequential(nn.Conv2d(1, 4, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(676, 10))

def number():
    return 3
"""


@pytest.fixture
def linear() -> nn.Module:
    torch.manual_seed(0)
    return build("mnist_linear", CONTRACT.shape, 10).eval()


@pytest.fixture
def digits(mnist: Dataset) -> np.ndarray:
    return mnist.test.images[np.arange(40)]


def logits(model: nn.Module, images: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return model(torch.from_numpy(CONTRACT.real(images).transpose(0, 3, 1, 2))).numpy()


def test_the_shipped_teacher_reads_digits(mnist: Dataset) -> None:
    images, labels = next(mnist.validation.batches(200))
    answers = open_teacher(TeacherOptions("mnist-cnn"), CONTRACT).answer(images)
    assert (answers.argmax(1) == labels).mean() > 0.98


def test_an_onnx_file_teaches_like_the_network_it_came_from(
    linear: nn.Module, digits: np.ndarray, tmp_path: Path
) -> None:
    path = tmp_path / "linear.onnx"
    path.write_bytes(to_onnx(linear, CONTRACT, Metadata(contract=CONTRACT)).SerializeToString())
    teacher = open_teacher(TeacherOptions(str(path)), CONTRACT)
    np.testing.assert_allclose(teacher.answer(digits), logits(linear, digits), atol=1e-4)


@pytest.mark.parametrize("batch", [1, 16, "any"])
def test_an_exported_program_teaches_whatever_its_batch(
    linear: nn.Module, digits: np.ndarray, tmp_path: Path, batch: int | str
) -> None:
    path = tmp_path / "linear.pt2"
    free = batch == "any"
    example = torch.zeros(2 if free else int(batch), 1, 28, 28)
    shapes = ({0: torch.export.Dim("batch")},) if free else None
    torch.export.save(torch.export.export(linear, (example,), dynamic_shapes=shapes), path)
    teacher = open_teacher(TeacherOptions(str(path)), CONTRACT)
    np.testing.assert_allclose(teacher.answer(digits), logits(linear, digits), atol=1e-4)


def test_a_factory_teaches_with_a_state_dict(
    digits: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_teacher.py").write_text(FACTORY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    import my_teacher  # type: ignore[import-not-found]

    model = my_teacher.make()
    with torch.no_grad():
        model[3].bias += 1
    torch.save({"state_dict": {f"module.{name}": value for name, value in model.state_dict().items()}}, "weights.pt")
    teacher = open_teacher(TeacherOptions("my_teacher:make", weights=Path("weights.pt")), CONTRACT)
    np.testing.assert_allclose(teacher.answer(digits), logits(model, digits), atol=1e-4)
    with pytest.raises(UsageError, match="returned a int"):
        open_teacher(TeacherOptions("my_teacher:number"), CONTRACT)
    with pytest.raises(UsageError, match="did you mean 'make'"):
        open_teacher(TeacherOptions("my_teacher:mkae"), CONTRACT)


def test_a_teacher_that_computes_otherwise_is_another_one(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    sums = set()
    for name in ("relu", "gelu", "relu"):
        path.write_text(OWN.format(name))
        linecache.checkcache()
        sums.add(open_teacher(TeacherOptions(f"{path}:make"), CONTRACT).sha256)
    assert len(sums) == 2


OWN = """
import torch
from torch import nn

class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(784, 10)

    def forward(self, images):
        return self.head(torch.nn.functional.{}(images).flatten(1))

def make():
    torch.manual_seed(7)
    return Own()
"""


def test_probabilities_become_logits(linear: nn.Module, digits: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "soft.onnx"
    path.write_bytes(to_onnx(nn.Sequential(linear, nn.Softmax(1)), CONTRACT, Metadata()).SerializeToString())
    answers = open_teacher(TeacherOptions(str(path)), CONTRACT).answer(digits)
    np.testing.assert_allclose(answers, torch.log_softmax(torch.from_numpy(logits(linear, digits)), 1), atol=1e-3)


def test_the_teachers_own_normalisation_is_applied(linear: nn.Module, digits: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "linear.onnx"
    path.write_bytes(to_onnx(linear, CONTRACT, Metadata()).SerializeToString())
    teacher = open_teacher(TeacherOptions(str(path), mean=(0.1307,), std=(0.3081,)), CONTRACT)
    with torch.inference_mode():
        inputs = torch.from_numpy((digits.transpose(0, 3, 1, 2) / 255 - 0.1307) / 0.3081).float()
        np.testing.assert_allclose(teacher.answer(digits), linear(inputs).numpy(), atol=1e-3)


def test_images_are_resized_to_the_teachers_size(linear: nn.Module, digits: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "linear.onnx"
    path.write_bytes(to_onnx(linear, CONTRACT, Metadata()).SerializeToString())
    teacher = open_teacher(TeacherOptions(str(path)), InputContract(56, 56, 1))
    doubled = digits.repeat(2, axis=1).repeat(2, axis=2)
    agreement = (teacher.answer(doubled).argmax(1) == logits(linear, digits).argmax(1)).mean()
    assert agreement > 0.8


def test_an_unknown_teacher_gets_the_nearest_name() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'mnist-cnn'"):
        open_teacher(TeacherOptions("mnist-cn"), CONTRACT)


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("exploded",)


@pytest.mark.parametrize("name", ["bomb.pt", "bomb.pth", "bomb.safetensors"])
def test_weights_are_never_unpickled(
    linear: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for content in (pickle.dumps(Bomb()), _zipped_pickle(Bomb())):
        Path(name).write_bytes(content)
        with pytest.raises(ModelError, match=name):
            load_weights(linear, Path(name))
        assert not Path("exploded").exists()


def test_programs_are_never_unpickled(linear: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.export.save(torch.export.export(linear, (torch.zeros(1, 1, 28, 28),)), "good.pt2")

    def pickled_weight(name: str, content: bytes) -> bytes:
        return (
            content.replace(b'"use_pickle": false', b'"use_pickle": true') if name.endswith("config.json") else content
        )

    def pickled_sample(name: str, content: bytes) -> bytes:
        return _zipped_pickle(Bomb()) if "/sample_inputs/" in name else content

    def opaque_constant(name: str, content: bytes) -> bytes:
        if not name.endswith("model_constants_config.json"):
            return content
        return json.dumps({"config": {"x": {"path_name": "opaque_obj_0", "use_pickle": False}}}).encode()

    def expression(name: str, content: bytes) -> bytes:
        if not name.endswith("models/model.json"):
            return content
        return content.replace(
            b'{"as_int": 28}', b'{"as_expr": {"expr_str": "__import__(\'os\').mkdir(\'exploded\')"}}'
        )

    for change in (pickled_weight, pickled_sample, opaque_constant, expression):
        _rewrite(Path("good.pt2"), Path("bad.pt2"), change)
        with pytest.raises(ModelError, match=r"bad\.pt2"):
            open_teacher(TeacherOptions("bad.pt2"), CONTRACT)
        assert not Path("exploded").exists()


@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "text"])
@pytest.mark.parametrize("name", ["teacher.onnx", "teacher.pt2", "weights.safetensors", "weights.pt"])
def test_a_broken_file_is_named(linear: nn.Module, tmp_path: Path, name: str, damage: str) -> None:
    path = tmp_path / name
    if name.endswith(".onnx"):
        path.write_bytes(to_onnx(linear, CONTRACT, Metadata()).SerializeToString())
    elif name.endswith(".pt2"):
        torch.export.save(torch.export.export(linear, (torch.zeros(1, 1, 28, 28),)), path)
    elif name.endswith(".pt"):
        torch.save(linear.state_dict(), path)
    else:
        save_weights(linear, path)
    if damage == "missing":
        path.unlink()
    else:
        content = path.read_bytes()
        path.write_bytes({"empty": b"", "truncated": content[: len(content) // 2], "text": b"hello\n" * 50}[damage])
    opened = partial(open_teacher, TeacherOptions(str(path)), CONTRACT)
    loaded = partial(load_weights, linear, path)
    with pytest.raises(ModelError, match=name):
        (opened if name.startswith("teacher") else loaded)()


def test_weights_of_another_network_are_refused(linear: nn.Module, tmp_path: Path) -> None:
    path = save_weights(build("mnist_tiny", CONTRACT.shape, 10), tmp_path / "tiny.safetensors")
    with pytest.raises(ModelError, match="does not fit the network MnistLinear"):
        load_weights(linear, path)


def test_a_state_dict_that_is_none_is_refused(linear: nn.Module, tmp_path: Path) -> None:
    torch.save({"state_dict": [torch.zeros(3)]}, tmp_path / "list.pt")
    with pytest.raises(ModelError, match=r"list\.pt is not a readable weights file"):
        load_weights(linear, tmp_path / "list.pt")


def test_weights_for_a_file_that_has_its_own_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="leave out --teacher-weights"):
        open_teacher(TeacherOptions("teacher.onnx", weights=tmp_path / "weights.pt"), CONTRACT)


def test_a_teacher_that_fails_is_named_with_its_reason(digits: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "faulty.py"
    path.write_text(
        "from torch import nn\n"
        "def missing(): return open('no such file')\n"
        "def narrow(): return nn.Sequential(nn.Flatten(), nn.Linear(5, 10))\n"
        "def broken():\n"
        "    layer = nn.Linear(784, 10)\n"
        "    nn.init.constant_(layer.bias, float('nan'))\n"
        "    return nn.Sequential(nn.Flatten(), layer)\n"
    )
    with pytest.raises(UsageError, match="failed with FileNotFoundError"):
        open_teacher(TeacherOptions(f"{path}:missing"), CONTRACT)
    with pytest.raises(ModelError, match="fails on an input of 1x28x28"):
        open_teacher(TeacherOptions(f"{path}:narrow"), CONTRACT).answer(digits)
    with pytest.raises(ModelError, match="not finite numbers"):
        open_teacher(TeacherOptions(f"{path}:broken"), CONTRACT).answer(digits)


def test_a_teacher_of_the_same_classes_in_another_order_is_refused(linear: nn.Module, mnist: Dataset) -> None:
    names = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    teacher = replace(open_teacher(TeacherOptions("mnist-cnn"), CONTRACT), labels=names)
    check_teacher(teacher, mnist)  # data that only count their classes
    check_teacher(teacher, replace(mnist, classes=names))
    with pytest.raises(UsageError, match=r"Class 0 of the teacher mnist-cnn is 'zero', and of mnist it is 'nine'"):
        check_teacher(teacher, replace(mnist, classes=names[::-1]))


def test_every_student_of_the_catalog_builds_and_exports() -> None:
    for name in catalog.names("students"):
        card = catalog.network_card("students", name)
        network = build(card.architecture, card.contract.shape, len(card.classes) or 10)
        model = to_onnx(network, card.contract, Metadata())
        sizes = [axis.dim_value for axis in model.graph.input[0].type.tensor_type.shape.dim]
        assert sizes == list(example_of(card.contract).shape)
        assert (model.graph.input[0].name, model.graph.output[0].name) == (card.contract.INPUT, "logits")
        assert "BatchNormalization" not in {node.op_type for node in model.graph.node}


def _zipped_pickle(value: object) -> bytes:
    """A torch checkpoint whose pickle is ``value``'s."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(value))
        archive.writestr("archive/version", "3\n")
    return stream.getvalue()


def _rewrite(source: Path, target: Path, change: object) -> None:
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        changed = False
        for name in old.namelist():
            content = old.read(name)
            altered = change(name, content)  # type: ignore[operator]
            changed |= altered != content
            new.writestr(name, altered)
    assert changed


class Scaled(nn.Module):
    """What it computes with stands in no file of weights."""

    def __init__(self, mean: float, temperature: float) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean), persistent=False)
        self.head, self.temperature = nn.Linear(784, 10), temperature
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head((images - self.mean).flatten(1)) / self.temperature
        return logits


def test_what_a_module_computes_with_beside_its_weights_tells_it_from_others() -> None:
    made = [(0.0, 1.0), (0.5, 1.0), (0.0, 2.0), (0.0, 1.0)]
    sums = [open_teacher(TeacherOptions(Scaled(*each)), CONTRACT).sha256 for each in made]
    assert sums[0] == sums[3]
    assert len(set(sums)) == 3
