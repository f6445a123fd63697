"""Modules, losses and arrays of the user's own, from distillation to a model file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edgekit.errors import ModelError, UnknownNameError, UsageError
from edgekit.inputs.contract import InputContract
from edgekit.modelfiles.contents import read_contents
from edgekit.modelfiles.session import FileSession
from edgekit.recipe import TrainRecipe
from edgekit.training.distill import DistillOptions, distill
from edgekit.training.recipe_options import DistillRecipeOptions
from edgekit.training.teachers import TeacherDetails
from edgekit.training.weights import load_weights

ONE_EPOCH = DistillRecipeOptions(epochs=1, batch_size=64)


class Small(nn.Module):
    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(1, 8, 7, stride=7), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten())
        self.head = nn.Linear(8 * 16, classes)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.layers(images))
        return logits


def test_a_module_learns_from_a_module_on_arrays_and_becomes_a_file(arrays, tmp_path: Path) -> None:
    torch.manual_seed(0)
    student, teacher = Small(), Small()
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    result = distill(DistillOptions(student=student, teacher=teacher, data=arrays, out=tmp_path, recipe=ONE_EPOCH))
    assert (result.student, result.teacher) == ("small", "Small")
    metadata = read_contents(result.model).metadata("model.onnx")
    assert metadata.contract == InputContract(28, 28, 1)
    assert metadata.labels == tuple("0123456789")
    for name, value in teacher.state_dict().items():
        assert torch.equal(value, before[name])
    from safetensors.torch import load_file

    for name, value in load_file(tmp_path / "weights.safetensors").items():
        assert torch.equal(student.state_dict()[name], value)


def test_several_teachers_answer_together_and_a_run_folder_is_one(arrays, tmp_path: Path) -> None:
    torch.manual_seed(0)
    first = distill(DistillOptions(Small(), "mnist-cnn", data=arrays, out=tmp_path / "first", recipe=ONE_EPOCH))
    alone = distill(DistillOptions(Small(), str(tmp_path / "first"), data=arrays, out=tmp_path / "b", recipe=ONE_EPOCH))
    assert alone.teacher == "first"
    assert alone.teacher_test_accuracy == first.test_accuracy
    named = ("mnist-cnn", str(tmp_path / "first"))
    options = DistillOptions(Small(), named, "confidence", data=arrays, out=tmp_path / "c", recipe=ONE_EPOCH)
    both = distill(options)
    assert both.teacher == "mnist-cnn + first"
    assert first.test_accuracy < both.teacher_test_accuracy
    times = [json.loads(line) for line in (tmp_path / "c" / "timing.jsonl").read_text().splitlines()]
    assert times[0]["answering_seconds"] <= times[0]["seconds"]


def test_what_was_made_of_another_model_goes_and_of_the_same_stays(arrays, tmp_path: Path) -> None:
    def learn(seed: int) -> None:
        torch.manual_seed(0)
        distill(DistillOptions(Small(), "mnist-cnn", data=arrays, out=tmp_path, recipe=ONE_EPOCH, seed=seed))

    learn(0)
    made = [tmp_path / name for name in ("model.int8.tflite", "quantize.json", "teach.json")]
    for path in made:
        path.write_bytes(b"")
    learn(0)
    assert all(path.exists() for path in made)
    learn(1)
    assert not any(path.exists() for path in made)
    assert {"model.onnx", "distill.json", "weights.safetensors"} <= {path.name for path in tmp_path.iterdir()}


def test_layers_that_share_their_weights_share_them_in_the_end(arrays, tmp_path: Path) -> None:
    class Tied(Small):
        def __init__(self) -> None:
            super().__init__()
            self.before, self.after = nn.Linear(128, 128), nn.Linear(128, 128)
            self.after.weight = self.before.weight

        def forward(self, images: Tensor) -> Tensor:
            features = self.layers(images)
            logits: Tensor = self.head(features + self.after(self.before(features).relu()))
            return logits

    student = Tied()
    distill(DistillOptions(student=student, teacher="mnist-cnn", data=arrays, out=tmp_path, recipe=ONE_EPOCH))
    assert student.after.weight is student.before.weight
    weights = load_weights(Tied(), tmp_path / "weights.safetensors").state_dict()
    assert torch.equal(weights["after.weight"], weights["before.weight"])
    assert torch.equal(weights["after.weight"], student.before.weight)


def test_what_is_of_one_teacher_is_not_said_of_several() -> None:
    with pytest.raises(UsageError, match="are of one teacher; name only one"):
        DistillOptions(teacher=["mnist-cnn", "other.onnx"], details=TeacherDetails(teacher_mean=(0.5,)))


def test_a_run_of_a_module_goes_on_where_it_stopped(arrays, tmp_path: Path) -> None:
    def run(folder: Path, epochs: int, resume: bool = False, seed: int = 0) -> bytes:
        torch.manual_seed(seed)
        recipe = DistillRecipeOptions(TrainRecipe(epochs=2, batch_size=64), epochs=epochs)
        options = DistillOptions(
            student=Small(), teacher="mnist-cnn", data=arrays, out=folder, recipe=recipe, resume=resume
        )
        return distill(options).model.read_bytes()

    assert run(tmp_path / "a", 2) == run(tmp_path / "b", 2)
    assert run(tmp_path / "a", 2, resume=True) == run(tmp_path / "b", 2)
    with pytest.raises(UsageError, match="belongs to a run with another starting point"):
        run(tmp_path / "a", 2, resume=True, seed=1)


def test_the_contract_of_a_module_says_how_pictures_become_its_input(arrays, tmp_path: Path) -> None:
    contract = InputContract(28, 28, 1, mean=(0.13,), std=(0.31,), domain="digit")
    options = DistillOptions(
        student=Small(), teacher="mnist-cnn", data=arrays, out=tmp_path, recipe=ONE_EPOCH, contract=contract
    )
    assert read_contents(distill(options).model).metadata("model.onnx").contract == contract


def test_an_own_loss_is_minimised_and_named_in_the_record(arrays, tmp_path: Path) -> None:
    seen = []

    def squares(logits: Tensor, labels: Tensor, answers: Tensor | None, recipe: TrainRecipe) -> Tensor:
        assert answers is not None
        seen.append((tuple(logits.shape), tuple(labels.shape), recipe.epochs))
        return F.mse_loss(logits, answers)

    recipe = DistillRecipeOptions(epochs=1, batch_size=64, loss=squares)
    distill(DistillOptions(student="mnist-linear", teacher="mnist-cnn", data=arrays, out=tmp_path, recipe=recipe))
    assert seen == [((64, 10), (64,), 1)] * 10
    assert json.loads((tmp_path / "distill.json").read_text())["recipe"]["loss"].endswith("squares")


@pytest.mark.parametrize(
    ("student", "message"),
    [
        (Small(7), r"The student small gives \[1, 7\] for the image \[1, 1, 28, 28\]; give a network of 10 scores"),
        (nn.Linear(3, 10), r"The student linear fails on the image \[1, 1, 28, 28\]"),
    ],
)
def test_a_module_that_does_not_fit_the_data_is_refused_before_training(
    arrays, tmp_path: Path, student: nn.Module, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        distill(DistillOptions(student=student, teacher="mnist-cnn", data=arrays, out=tmp_path, recipe=ONE_EPOCH))


def test_what_a_module_lacks_is_said(arrays, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="The student small has no data of its own"):
        distill(DistillOptions(student=Small(), teacher="mnist-cnn", out=tmp_path))
    with pytest.raises(UsageError, match="The student small has no teacher of its own"):
        distill(DistillOptions(student=Small(), data=arrays, out=tmp_path))
    recipe = DistillRecipeOptions(epochs=1, batch_size=64, loss="kdd")
    options = DistillOptions(student=Small(), teacher="mnist-cnn", data=arrays, out=tmp_path, recipe=recipe)
    with pytest.raises(UnknownNameError, match="did you mean 'kd'"):
        distill(options)


def test_a_loss_for_each_image_is_no_loss(arrays, tmp_path: Path) -> None:
    recipe = DistillRecipeOptions(epochs=1, batch_size=64, loss=lambda logits, labels, answers, recipe: logits.sum(1))
    options = DistillOptions(student=Small(), teacher="mnist-cnn", data=arrays, out=tmp_path, recipe=recipe)
    with pytest.raises(UsageError, match=r"The loss gives \[64\]; return one number with a gradient"):
        distill(options)


class Viewed(nn.Module):
    """The form of many a textbook: ``view`` takes a picture in rows only."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.features, self.head = nn.Conv2d(channels, 10, 3), nn.Linear(10 * 6 * 6, 2)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(images).relu().view(len(images), -1))
        return logits


@pytest.mark.parametrize("channels", [1, 3])
def test_a_network_that_takes_pictures_in_rows_teaches_and_learns(channels: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    pixels = np.random.default_rng(0).integers(0, 256, (60, 8, 8, channels), dtype=np.uint8)
    student, teacher, pictures = Viewed(channels), Viewed(channels), torch.rand(2, channels, 8, 8)
    before = teacher(pictures)
    recipe = DistillRecipeOptions(TrainRecipe(ema=0.9), epochs=1, batch_size=8)
    data = (pixels, np.arange(60) % 2)
    result = distill(DistillOptions(student, teacher, data=data, out=tmp_path, recipe=recipe))
    assert torch.equal(teacher(pictures), before)
    with FileSession(result.model) as session:
        (scores,) = session.run([pictures[:1].numpy()])
    np.testing.assert_allclose(scores, student(pictures[:1]).detach().numpy(), atol=1e-5)


def test_what_cannot_be_exported_is_said_before_it_learns(arrays, tmp_path: Path) -> None:
    class Odd(Small):
        def forward(self, images: Tensor) -> Tensor:
            logits: Tensor = self.head(self.layers(images)) * torch.linalg.svdvals(self.head.weight).sum()
            return logits

    with pytest.raises(ModelError, match="Odd cannot be exported to ONNX"):
        distill(DistillOptions(student=Odd(), teacher="mnist-cnn", data=arrays, out=tmp_path, recipe=ONE_EPOCH))
    assert not (tmp_path / "checkpoint.pt").exists()


def test_a_run_of_another_loss_or_input_is_not_gone_on_with(arrays, tmp_path: Path) -> None:
    losses = [lambda *given: given[0].mean() ** 2, lambda *given: given[0].var()]

    def run(loss: int, resume: bool = False, contract: InputContract | None = None) -> None:
        torch.manual_seed(0)
        recipe = DistillRecipeOptions(epochs=1, batch_size=64, loss=losses[loss])
        given = {"data": arrays, "out": tmp_path, "recipe": recipe, "resume": resume, "contract": contract}
        distill(DistillOptions(Small(), "mnist-cnn", **given))

    run(0)
    run(0, resume=True)
    with pytest.raises(UsageError, match="belongs to a run with another loss"):
        run(1, resume=True)
    with pytest.raises(UsageError, match="belongs to a run with another input"):
        run(0, resume=True, contract=InputContract(28, 28, 1, (0.5,), (0.5,)))


def test_it_is_said_if_a_teacher_has_learned_other_data(arrays, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    first = DistillOptions(Small(), "mnist-cnn", data=arrays, out=tmp_path / "first", recipe=ONE_EPOCH)
    distill(first)
    for last, is_other in ((640, False), (639, True)):
        capsys.readouterr()
        train = tuple(part[:last] for part in arrays["train"])
        given = {"teacher": str(tmp_path / "first"), "data": {**arrays, "train": train}, "out": tmp_path / "second"}
        distill(replace(first, **given))
        assert ("first has learned other images" in capsys.readouterr().err) == is_other
