from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.catalog import catalog_folder
from edgekit.search.records import SearchOptions
from edgekit.training.recipe_options import DistillRecipeOptions

FAMILY = """
import torch
from torch import nn


class Sick(nn.Module):
    def forward(self, images):
        return images * float("nan") if self.training else images


def network(shape, classes, width=range(1, 13), kernel=(3, 5), health=("well", "sick", "broken")):
    if health == "broken":
        raise ValueError(f"{width} is not to my taste")
    layers = [nn.Conv2d(shape[-1], width, kernel, stride=4), nn.BatchNorm2d(width), nn.ReLU()]
    if health == "sick":
        layers.append(Sick())
    side = (28 - kernel) // 4 + 1
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(side * side * width, classes))


def teacher():
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 32, 3, stride=2), nn.ReLU(), nn.Conv2d(32, 64, 3, stride=2), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))
"""
TEACHER = str(catalog_folder("students") / "mnist-linear" / "model.onnx")


@pytest.fixture(scope="session")
def family(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("family") / "family.py"
    path.write_text(FAMILY)
    return f"{path}:network"


@pytest.fixture
def options(family: str, small_mnist: Path, tmp_path: Path) -> SearchOptions:
    """A study of four candidates of at most 5,000 bytes."""
    recipe = DistillRecipeOptions(epochs=6, batch_size=600, learning_rate=0.02)
    return SearchOptions(
        family, (TEACHER,), data=str(small_mnist), max_size=5000, trials=4, out=tmp_path, recipe=recipe, seed=2
    )
