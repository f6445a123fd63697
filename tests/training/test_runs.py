"""A run folder is opened again as the network that was trained there."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

from edgekit.catalog import Architecture
from edgekit.errors import ModelError, UsageError
from edgekit.inputs.contract import InputContract
from edgekit.recipe import TrainRecipe
from edgekit.training.distill import DistillOptions, distill
from edgekit.training.recipe_options import DistillRecipeOptions
from edgekit.training.runs import open_run
from edgekit.training.shrinking.channels import Channels
from edgekit.training.shrinking.shrink import ShrinkOptions, shrink
from edgekit.training.teachers import TeacherOptions, open_teacher
from edgekit.training.weights import load_weights, read_tensors, save_weights, take_widths
from edgekit.zoo import architectures, build

SHAPE = (28, 28, 1)
UNCUT = {"mnist_linear", "bert", "ngram_bag", "ngram_conv"}
"""One layer alone, or texts."""
ONE_EPOCH = DistillRecipeOptions(epochs=1, batch_size=64)


@pytest.fixture(scope="module")
def shrunk(arrays, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of ``shrink`` on the teacher of digits."""
    folder = tmp_path_factory.mktemp("runs") / "shrunk"
    shrink(ShrinkOptions("mnist-cnn", to="60KB", data=arrays, steps=1, out=folder, recipe=ONE_EPOCH))
    return folder


@pytest.mark.parametrize("architecture", sorted(set(architectures()) - UNCUT))
def test_a_network_that_lost_channels_is_built_from_its_weights(architecture: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    shape = SHAPE if "mnist" in architecture else (32, 32, 3)
    network, images = build(architecture, shape, 10), torch.rand(4, shape[2], *shape[:2])
    channels = Channels(network, images[:1])
    worth = channels.worth(images, seed=0)
    channels.cut(worth, channels.kept(worth, 0.4 * float(channels.bytes(channels.counts))))
    path = save_weights(network, tmp_path / "weights.safetensors")
    again = build(architecture, shape, 10)
    take_widths(again, read_tensors(path))
    torch.testing.assert_close(load_weights(again, path)(images), network.eval()(images))
    assert repr(again) == repr(network)


def test_a_run_of_shrink_teaches_as_the_torch_network_that_it_is(shrunk: Path, mnist) -> None:
    images = mnist.test.images[np.arange(20)]
    paths, contract = (shrunk, shrunk / "model.onnx"), InputContract(*SHAPE)
    teacher, file = (open_teacher(TeacherOptions(str(path)), contract) for path in paths)
    assert teacher.network is not None
    assert (teacher.contract, teacher.labels) == (file.contract, file.labels)
    np.testing.assert_allclose(teacher.answer(images), file.answer(images), rtol=1e-3, atol=1e-3)


def test_a_run_of_shrink_is_shrunk_again(arrays, shrunk: Path, tmp_path: Path) -> None:
    first = json.loads((shrunk / "shrink.json").read_text())
    result = shrink(ShrinkOptions(str(shrunk), to="30KB", data=arrays, steps=1, out=tmp_path / "b", recipe=ONE_EPOCH))
    assert result.teacher == "shrunk"
    assert result.int8_bytes <= 30_000
    assert result.teacher_int8_bytes == pytest.approx(first["int8_bytes"], abs=300)  # a description may differ
    assert all(count <= first["channels"][name] for name, count in result.channels.items())
    again = open_run(tmp_path / "b")
    assert again is not None
    assert sum(weight.numel() for weight in again.network.parameters()) == result.parameters


def test_a_student_goes_on_from_a_run_by_its_recipe(arrays, shrunk: Path, tmp_path: Path) -> None:
    slow = DistillRecipeOptions(learning_rate=1e-12)
    options = DistillOptions(str(shrunk), "mnist-cnn", data=arrays, out=tmp_path / "more", recipe=slow)
    result = distill(options)
    before, after = (open_run(folder) for folder in (shrunk, tmp_path / "more"))
    assert before is not None
    assert after is not None
    assert (after.structure, after.contract) == (before.structure, before.contract)
    assert after.recipe == before.recipe.override(learning_rate=1e-12)
    torch.testing.assert_close(after.network.head.weight, before.network.head.weight)
    assert result.parameters == sum(weight.numel() for weight in before.network.parameters())


def test_a_student_of_a_card_is_opened_again_too(arrays, tmp_path: Path) -> None:
    result = distill(DistillOptions("mnist-tiny", data=arrays, out=tmp_path, recipe=ONE_EPOCH))
    run = open_run(tmp_path)
    assert run is not None
    assert run.contract == InputContract(28, 28, 1, domain="digit")
    assert run.classes == tuple("0123456789")
    assert sum(weight.numel() for weight in run.network.parameters()) == result.parameters


def test_a_network_is_padded_for_the_images_that_it_was_built_for(tmp_path: Path) -> None:
    """Where shrink gives it smaller ones, it stays what it was."""
    architecture, shape, contract = Architecture("efficientnet_lite"), (64, 64, 3), InputContract(50, 50, 3)
    network, images = build(architecture, shape, 4).eval(), torch.rand(2, 3, 50, 50)
    save_weights(network, tmp_path / "weights.safetensors")
    record = {"recipe": {}, "contract": contract.to_dict(), "classes": list("abcd"), "shape": shape}
    (tmp_path / "distill.json").write_text(json.dumps({**record, "architecture": asdict(architecture)}))
    run = open_run(tmp_path)
    assert run is not None
    assert run.contract == contract
    torch.testing.assert_close(run.network(images), network(images))


def test_a_run_that_cannot_be_a_network_again_is_one_sentence(arrays, tmp_path: Path) -> None:
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))
    recipe = DistillRecipeOptions(TrainRecipe(epochs=1))
    distill(DistillOptions(module, "mnist-cnn", data=arrays, out=tmp_path / "own", recipe=recipe))
    assert open_run(tmp_path / "own") is None
    with pytest.raises(UsageError, match="is no run of teach, distill or shrink with a network of the zoo"):
        distill(DistillOptions(str(tmp_path / "own"), "mnist-cnn", data=arrays, out=tmp_path / "b", recipe=recipe))
    with pytest.raises(UsageError, match="no torch network"):
        shrink(ShrinkOptions(str(tmp_path / "own"), to="1KB", data=arrays, out=tmp_path / "b"))


def test_weights_of_another_network_are_refused(shrunk: Path, tmp_path: Path) -> None:
    shutil.copy(shrunk / "distill.json", tmp_path)
    save_weights(build("mnist_tiny", SHAPE, 10), tmp_path / "weights.safetensors")
    with pytest.raises(ModelError, match=r"weights\.safetensors does not fit the network MnistCnn"):
        open_run(tmp_path)
