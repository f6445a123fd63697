from __future__ import annotations

import math
from pathlib import Path

import pytest

from edgekit import catalog
from edgekit.cli.listing import ListOptions, listing
from edgekit.errors import EdgekitError, ModelError, UnknownNameError, UsageError
from edgekit.recipe import Augmentation, TrainRecipe


@pytest.fixture
def cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A catalog of one's own: what a user does who adds a student."""
    monkeypatch.setattr(catalog, "catalog_folder", lambda kind: tmp_path / kind)
    folder = tmp_path / "students" / "mine"
    folder.mkdir(parents=True)
    (folder / "card.toml").write_text(
        'summary = "s"\narchitecture = "mnist_tiny"\ninput = { height = 28, width = 28, channels = 1 }\n'
        'classes = ["a", "b"]\ndata = "mnist"\n[recipes.full]\nepochs = 2\n'
    )
    return folder / "card.toml"


@pytest.mark.parametrize("kind", ["teachers", "students"])
def test_every_card_reads_and_has_a_full_recipe(kind: str) -> None:
    for name in catalog.names(kind):
        card = catalog.network_card(kind, name)
        assert card.summary
        assert card.recipe("full").epochs > 0


def test_a_folder_with_a_card_is_an_entry(cards: Path) -> None:
    card = catalog.network_card("students", "mine")
    assert card.classes == ("a", "b")
    assert card.recipe("full") == TrainRecipe(epochs=2)


def test_an_unknown_key_gets_the_nearest(cards: Path) -> None:
    cards.write_text(cards.read_text() + "learning_rat = 1\n")
    with pytest.raises(UnknownNameError, match="did you mean 'learning_rate'"):
        catalog.network_card("students", "mine")


def test_a_card_names_another_whose_space_is_its_own(cards: Path) -> None:
    other = cards.parents[1] / "other" / "card.toml"
    other.parent.mkdir()
    other.write_text(cards.read_text() + "[space]\nkernels = [3, 5]\n")
    mine = cards.read_text()
    cards.write_text('space = "other"\n' + mine)
    assert catalog.network_card("students", "mine").space == {"kernels": [3, 5]}
    cards.write_text('space = "oter"\n' + mine)
    with pytest.raises(UnknownNameError, match="did you mean 'other'"):
        catalog.network_card("students", "mine")
    cards.write_text('space = "mine"\n' + mine)
    with pytest.raises(EdgekitError, match=r"card\.toml lacks a key"):
        catalog.network_card("students", "mine")


@pytest.mark.parametrize("text", ["summary = ", "summary = 'only'\n", "input = 3\n", "\xff\xfe"])
def test_a_broken_card_is_named(cards: Path, text: str) -> None:
    cards.write_bytes(text.encode("latin-1"))
    with pytest.raises(EdgekitError, match=r"card\.toml"):
        catalog.network_card("students", "mine")


def test_a_name_stands_for_shipped_files_best_for_a_device_first() -> None:
    files = [path.name for path in catalog.resolve_models("mnist-tiny")]
    assert files == ["model.int8.tflite", "model.int8.onnx", "model.onnx"]
    assert catalog.resolve_model("mnist-tiny", ".onnx").name == "model.int8.onnx"


def test_every_file_that_an_entry_may_ship_is_listed(cards: Path) -> None:
    for name in catalog.MODEL_FILES:
        (cards.parent / name).touch()
    (row,) = listing(ListOptions("students")).to_dict()["students"]
    assert row["ships"] == "int8, float"


def test_a_run_folder_stands_for_its_files(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="edgekit distill"):
        catalog.resolve_models(str(tmp_path))
    (tmp_path / "model.onnx").touch()
    assert catalog.resolve_models(str(tmp_path)) == (tmp_path / "model.onnx",)


def test_the_newest_run_is_found(tmp_path: Path) -> None:
    import os

    for age, name in enumerate(("new", "old")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.onnx").touch()
        os.utime(tmp_path / name / "model.onnx", (1e9 - age, 1e9 - age))
    assert catalog.newest_run(tmp_path).name == "new"


@pytest.mark.parametrize(
    "changes",
    [
        {"epochs": 0},
        {"batch_size": 1},
        {"learning_rate": 0.0},
        {"learning_rate": math.inf},
        {"ema": 1.0},
        {"temperature": 0.0},
    ],
)
def test_a_recipe_refuses_impossible_numbers(changes: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=next(iter(changes))):
        TrainRecipe().override(**changes)


@pytest.mark.parametrize("changes", [{"flip": 1.1}, {"scale": 1.0}, {"rotate": -1.0}, {"elastic": -0.5}])
def test_an_augmentation_refuses_impossible_numbers(changes: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=next(iter(changes))):
        Augmentation(**changes)


def test_a_recipe_survives_its_dict() -> None:
    recipe = TrainRecipe(epochs=3, augmentation=Augmentation(rotate=2))
    assert TrainRecipe.from_dict(recipe.to_dict(), "card") == recipe
