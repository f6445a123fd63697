"""A student that also learns what its teacher sees before its head."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from edgekit.conversion.torch_onnx import example_of
from edgekit.data.dataset import Dataset
from edgekit.errors import UsageError
from edgekit.inputs.contract import InputContract
from edgekit.recipe import Augmentation, TrainRecipe
from edgekit.training.answers.cache import AnswerForm
from edgekit.training.answers.ensemble import Ensemble, Member
from edgekit.training.answers.hints import Hinted, with_features
from edgekit.training.augment import View
from edgekit.training.distill import DistillOptions, distill
from edgekit.training.losses import find_loss, hint, needs_features
from edgekit.training.recipe_options import DistillRecipeOptions
from edgekit.training.teachers import TeacherOptions, open_teacher
from edgekit.zoo import build

DIGIT = InputContract(28, 28, 1)
RECIPE = TrainRecipe(epochs=2, batch_size=64, views=2, augmentation=Augmentation(shift=0.05), ema=0.9)
SUM = "0.1*cross_entropy + 0.9*kd + 2*hint"


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        layers = (nn.Conv2d(1, 8, 7, stride=7), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten())
        self.features, self.head = nn.Sequential(*layers), nn.Linear(8 * 16, 10)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(images))
        return logits


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_cache: None) -> None:
    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def few(mnist: Dataset) -> Dataset:
    return replace(mnist, train=mnist.train.take(np.arange(40)))


def member(name: str, data: Dataset) -> Member:
    return Member.of(open_teacher(TeacherOptions(name), DIGIT), data, DIGIT, data)


def test_features_are_told_apart_by_their_direction_alone() -> None:
    torch.manual_seed(0)
    found, wanted = torch.randn(6, 5), torch.randn(6, 5)
    labels = torch.zeros(6, dtype=torch.int64)
    value = hint.loss(found, labels, wanted, RECIPE)
    torch.testing.assert_close(value, 2 - 2 * torch.cosine_similarity(found, wanted).mean())
    torch.testing.assert_close(hint.loss(3 * found, labels, wanted / 2, RECIPE), value)
    assert hint.loss(wanted, labels, wanted, RECIPE) == 0


def test_each_term_of_a_sum_sees_its_own_columns() -> None:
    torch.manual_seed(0)
    student, teacher = torch.randn(2, 6, 10 + 5)
    labels, whole = torch.arange(6), find_loss(SUM, classes=10)
    expected = find_loss("0.1*cross_entropy + 0.9*kd")(student[:, :10], labels, teacher[:, :10], RECIPE)
    expected = expected + 2 * hint.loss(student[:, 10:], labels, teacher[:, 10:], RECIPE)
    torch.testing.assert_close(whole(student, labels, teacher, RECIPE), expected)
    without = find_loss("0.1*cross_entropy + 0.9*kd")(student[:, :10], labels, teacher[:, :10], RECIPE)
    torch.testing.assert_close(whole(student[:, :10], labels, teacher[:, :10], RECIPE), without)
    assert needs_features(SUM)
    assert not needs_features("0.1*cross_entropy + 9*standardized(kd)")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("2*hint", "Nothing in the loss '2.hint' teaches the student's head"),
        ("kd + standardized(hint)", "about logits"),
    ],
)
def test_a_hint_stands_beside_other_losses(text: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        find_loss(text)


def test_the_gradient_reaches_the_students_features_and_the_map_but_not_the_head() -> None:
    student = Hinted(Small(), example_of(DIGIT), wanted=20).train()
    found = student(torch.rand(4, 1, 28, 28))
    assert found.shape == (4, 10 + 20)
    hint.loss(found[:, 10:], torch.zeros(4), torch.randn(4, 20), RECIPE).backward()
    reached = {name for name, weight in student.named_parameters() if weight.grad is not None and weight.grad.any()}
    assert {"student.features.0.weight", "map.weight"} <= reached
    assert not any("head" in name for name in reached)
    assert student.eval()(torch.rand(4, 1, 28, 28)).shape == (4, 10)


@pytest.mark.parametrize("architecture", ["mnist_cnn", "cifar_cnn"])
def test_what_follows_a_teachers_logits_is_what_its_head_made_them_of(few: Dataset, architecture: str) -> None:
    network = build(architecture, few.image_shape, 10)
    alone = Ensemble((Member.of(open_teacher(TeacherOptions(network), DIGIT), few, DIGIT, few),))
    answers = with_features(alone).members[0].teacher.answer(few.train.images[:5])
    with torch.inference_mode():
        logits = network.get_submodule("head")(torch.from_numpy(answers[:, 10:])).numpy()
    np.testing.assert_allclose(logits, answers[:, :10], rtol=1e-3, atol=1e-4)


def test_features_are_answers_of_their_own(few: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    alone = Ensemble((member("mnist-cnn", few),))
    hinted = with_features(alone)
    plain, more = (one.answers(RECIPE.augmentation, 0, side=28) for one in (alone, hinted))
    assert plain.key != more.key
    assert alone.sha256 != hinted.sha256
    view, rows = View(few.train.images, few.train.labels, RECIPE.augmentation, 0, 0), np.arange(40)
    np.testing.assert_allclose(more(view)[rows][:, :10], plain(view)[rows], atol=0.1)
    more.announce(2)
    assert "2 views x 40 x 10 in fp16 and 128 features, 0.0221 MB" in capsys.readouterr().err


@pytest.mark.parametrize("classes", [10, 300])
def test_features_are_stored_behind_logits_of_any_number(classes: int) -> None:
    form = AnswerForm(classes, features=7)
    answers = np.random.default_rng(0).normal(0, 3, (4, classes + 7)).astype(np.float32)
    found = form.unpacked(form.packed(answers))
    assert (found.shape, found.dtype) == ((4, classes + 7), np.float32)
    np.testing.assert_allclose(found[:, classes:], answers[:, classes:], rtol=1e-3)
    np.testing.assert_array_equal(found[:, :classes].argmax(1), answers[:, :classes].argmax(1))


def test_a_run_that_was_stopped_ends_with_the_same_files(arrays, tmp_path: Path) -> None:
    def run(epochs: int, resume: bool = False) -> bytes:
        student = Small()
        options = DistillOptions(
            student,
            "mnist-cnn",
            data=arrays,
            out=tmp_path / "run",
            recipe=DistillRecipeOptions(RECIPE, epochs=epochs, loss=SUM),
            resume=resume,
        )
        found = distill(options).model.read_bytes()
        assert student.state_dict().keys() == Small().state_dict().keys()
        return found

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    whole = run(2)
    weights = (tmp_path / "run" / "weights.safetensors").read_bytes()
    (tmp_path / "run" / "checkpoint.pt").unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edgekit.training.loop._note_time", stop)
        with pytest.raises(KeyboardInterrupt):
            run(2)
    assert run(2, resume=True) == whole
    assert (tmp_path / "run" / "weights.safetensors").read_bytes() == weights
    record = json.loads((tmp_path / "run" / "distill.json").read_text())
    assert record["recipe"]["loss"] == SUM


def test_images_without_labels_have_hints_and_the_end_under_the_quantizer_has_none(arrays, tmp_path: Path) -> None:
    recipe = DistillRecipeOptions(replace(RECIPE, epochs=1), loss=SUM)
    options = DistillOptions(Small(), "mnist-cnn", data=arrays, out=tmp_path, recipe=recipe)
    result = distill(replace(options, qat=True, extra=arrays))
    assert result.int8 is not None
    assert (tmp_path / "model.int8.tflite").is_file()


class Headless(Small):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Sequential(self.head)  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("student", "teachers", "complaint"),
    [
        ("mnist-linear", ("mnist-cnn",), "No layer of the student comes before its head"),
        (Headless(), ("mnist-cnn",), "The student has no features to compare"),
        (Small(), ("students/mnist-tiny/model.onnx",), "The teacher model.onnx has no features to compare"),
        (Small(), ("mnist-cnn", "students/mnist-tiny/model.onnx"), "A hint is of one teacher's features"),
    ],
)
def test_what_has_no_features_is_one_sentence(
    arrays, student: object, teachers: tuple[str, ...], complaint: str, tmp_path: Path
) -> None:
    recipe = DistillRecipeOptions(RECIPE, loss=SUM)
    with pytest.raises(UsageError, match=complaint) as caught:
        distill(DistillOptions(student, teachers, data=arrays, out=tmp_path / "out", recipe=recipe))
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "out" / "checkpoint.pt").exists()
