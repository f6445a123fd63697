"""A distillation that ends under the quantizer."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edgekit.data.dataset import Dataset
from edgekit.errors import UsageError
from edgekit.modelfiles.contents import read_contents
from edgekit.operators.weight_scheme import WeightScheme
from edgekit.recipe import Augmentation, TrainRecipe
from edgekit.training.distill import DistillOptions, distill
from edgekit.training.recipe_options import DistillRecipeOptions


def small() -> nn.Module:
    torch.manual_seed(0)
    layers = (nn.Conv2d(1, 8, 7, stride=7), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 16, 10))
    return nn.Sequential(*layers)


def test_the_int8_files_learn_from_the_teacher_by_the_students_loss(mnist: Dataset, tmp_path: Path) -> None:
    seen: list[tuple[int, ...]] = []

    def squares(logits: Tensor, labels: Tensor, answers: Tensor | None, recipe: TrainRecipe) -> Tensor:
        assert answers is not None
        seen.append((len(logits), *labels.shape[1:]))
        return F.mse_loss(logits, answers)

    rows = np.arange(256)
    parts = {name: getattr(mnist, name).take(rows) for name in ("train", "validation", "test")}
    recipe = TrainRecipe(epochs=1, batch_size=64, views=1, augmentation=Augmentation(rotate=5, mixup=0.2))
    options = DistillOptions(
        small(),
        "mnist-cnn",
        data={name: (part.images, part.labels) for name, part in parts.items()},
        out=tmp_path,
        recipe=DistillRecipeOptions(recipe, loss=squares),
        qat=True,
        weights=WeightScheme(per_tensor=True, weight_bits=4),
    )
    int8 = distill(options).int8
    assert int8 is not None
    assert [rung.name for rung in int8.rungs if rung.kept] == ["fine-tuning"]
    assert seen[:4] == [(64, 10)] * 4  # the training's steps, of mixed pictures
    assert len(seen) > 4 + 256 // 32
    assert {width for _, width in seen} == {10}
    for name in ("model.onnx", "model.int8.onnx", "model.int8.tflite"):
        assert read_contents(tmp_path / name).metadata(name).labels == mnist.classes
    assert "int4" in read_contents(tmp_path / "model.int8.tflite").constants
    assert json.loads((tmp_path / "distill.json").read_text())["int8"] == int8.to_dict()


def test_how_weights_are_stored_is_said_of_files_that_are_made() -> None:
    with pytest.raises(UsageError, match="are of the files that --qat makes"):
        DistillOptions("mnist-tiny", weights=WeightScheme(weight_bits=4))
