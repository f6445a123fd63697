from pathlib import Path

import pytest

from edgekit.data import open_data
from edgekit.errors import DataError, UnknownNameError
from edgekit.inputs.contract import InputContract

CODE = """
import numpy as np
from edgekit.data.dataset import Dataset, Split
from edgekit.errors import DataError

images = np.zeros((24, 4, 4, 1), np.uint8)
labels = np.arange(24) % 2

def pair(): return images, labels
def two(): return (images, labels), (images[:6], labels[:6])
def three(): return (images, labels), (images[:4], labels[:4]), (images[:6], labels[:6])
def mapping(): return {"train": (images, labels), "test": (images[:5], labels[:5])}
def dataset():
    split = Split(images, labels)
    return Dataset("own", ("even", "odd"), split, split, split, "0")
def text(): return "images"
def half(): return {"validation": (images, labels)}
def broken(): return 1 / 0
def own_error(): raise DataError("the camera is off; switch it on.")
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's module lies in the current folder."""
    (tmp_path / "own_images.py").write_text(CODE)
    (tmp_path / "syntax_error.py").write_text("def broken(:\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "sizes"), [("pair", [18, 2, 4]), ("two", [22, 2, 6]), ("three", [24, 4, 6]), ("mapping", [22, 2, 5])]
)
def test_pairs_of_images_and_labels_become_splits(name: str, sizes: list[int]) -> None:
    data = open_data(f"own_images:{name}")
    assert [len(split) for split in (data.train, data.validation, data.test)] == sizes


def test_a_dataset_is_taken_as_it_is() -> None:
    assert open_data("own_images:dataset").classes == ("even", "odd")


def test_the_module_may_be_a_path(tmp_path: Path) -> None:
    assert len(open_data(f"{tmp_path}/own_images.py:two").test) == 6


def test_the_shape_is_checked() -> None:
    with pytest.raises(DataError, match="holds 4x4x1 images and the model needs 8x8x1"):
        open_data("own_images:pair", InputContract(8, 8, 1))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("own_images:text", "own_images:text: a str like this is no data"),
        ("own_images:half", "own_images:half: a dict like this is no data"),
        ("own_images:broken", "failed with ZeroDivisionError: division by zero"),
        ("own_images:own_error", "the camera is off"),
        ("absent_module:load", "importing absent_module failed with ModuleNotFoundError"),
        ("syntax_error:broken", "importing syntax_error failed with SyntaxError"),
        ("absent.py:load", "importing absent.py failed with FileNotFoundError"),
    ],
)
def test_what_goes_wrong_in_the_users_code_is_said(source: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        open_data(source)


def test_a_misspelled_function_gets_the_nearest_name() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'mapping'"):
        open_data("own_images:maping")


def test_a_file_may_hold_dataclasses_and_use_its_neighbours(tmp_path: Path) -> None:
    home = tmp_path / "elsewhere"
    home.mkdir()
    (home / "beside.py").write_text("import numpy as np\nimages = np.zeros((6, 4, 4), np.uint8)\n")
    (home / "own.py").write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\nfrom beside import images\n"
        "@dataclass\nclass Kept:\n    count: int = 6\n"
        "def data():\n    return images[:Kept().count], [0, 1] * 3\n"
    )
    data = open_data(f"{home / 'own.py'}:data")
    assert sum(len(split) for split in (data.train, data.validation, data.test)) == 6
