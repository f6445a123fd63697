"""What a Python program has in hand as data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import TensorDataset

from edgekit.data import open_data
from edgekit.data.dataset import Dataset, Split
from edgekit.errors import DataError
from edgekit.inputs.contract import InputContract

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (24, 6, 5, 3), np.uint8)
LABELS = np.arange(24) % 2


class Pictures:
    """A torch Dataset in all but name: pictures of Pillow of different sizes."""

    classes = ["even", "odd"]  # noqa: RUF012 - as torchvision has it

    def __len__(self) -> int:
        return len(LABELS)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        return Image.fromarray(IMAGES[index]).resize((20 + index, 30)), int(LABELS[index])


@pytest.mark.parametrize("labels", [LABELS, LABELS.tolist(), torch.from_numpy(LABELS), LABELS[:, None]])
def test_images_with_labels_are_divided_as_a_file_of_them_is(labels: Any, tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=IMAGES, y=LABELS)
    data, filed = open_data((IMAGES, labels)), open_data(tmp_path / "d.npz")
    assert data.classes == ("0", "1")
    for name in ("train", "validation", "test"):
        assert np.array_equal(getattr(data, name).images, getattr(filed, name).images)
        assert np.array_equal(getattr(data, name).labels, getattr(filed, name).labels)


def test_a_mapping_says_the_splits() -> None:
    data = open_data(
        {"train": (IMAGES, LABELS), "validation": (IMAGES[:4], LABELS[:4]), "test": (IMAGES[4:7], LABELS[4:7])}
    )
    assert [len(split) for split in (data.train, data.validation, data.test)] == [24, 4, 3]
    assert np.array_equal(data.test.images, IMAGES[4:7])


@pytest.mark.parametrize("source", [IMAGES, (IMAGES, None)], ids=["alone", "without"])
def test_images_without_labels_are_for_calibration(source: Any) -> None:
    data = open_data(source)
    assert data.train.labels is None
    assert len(data.train) == 24


def test_tensors_of_a_torch_dataset_are_pixels() -> None:
    pixels = torch.from_numpy(IMAGES).permute(0, 3, 1, 2).float() / 255
    data = open_data({"train": TensorDataset(pixels, torch.from_numpy(LABELS)), "test": (IMAGES, LABELS)})
    whole = np.concatenate((data.train.images, data.validation.images))
    assert sorted(map(bytes, whole)) == sorted(map(bytes, IMAGES))


def test_pictures_of_a_torch_dataset_are_fitted_to_the_model() -> None:
    contract = InputContract(8, 8, 1)
    data = open_data(Pictures(), contract)
    assert data.classes == ("even", "odd")
    assert data.image_shape == (8, 8, 1)
    fitted = {bytes(contract.fit(np.asarray(Pictures()[index][0]))) for index in range(24)}
    assert {bytes(image) for split in (data.train, data.validation, data.test) for image in split.images} == fitted
    with pytest.raises(DataError, match="images of different sizes"):
        open_data(Pictures())


@pytest.mark.parametrize(
    ("picture", "reason"),
    [(Image.new("F", (9, 9)), r"its pixels are floating.* 8 bits a channel\.$"), (Image.new("L", (9, 9)), "no digit")],
)
def test_a_picture_that_cannot_be_taken_is_named_by_its_place(picture: Image.Image, reason: str) -> None:
    class Last(Pictures):
        def __getitem__(self, index: int) -> tuple[Image.Image, int]:
            return picture, 0

    with pytest.raises(DataError, match=f"own data, train split: item 0: {reason}"):
        open_data(Last(), InputContract(28, 28, 1, domain="digit"))


def test_a_dataset_is_taken_as_it_is() -> None:
    split = Split(IMAGES, LABELS)
    data = Dataset("own", ("a", "b"), split, split, split, "0")
    assert open_data(data, InputContract(6, 5, 3)) is data


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ((IMAGES, LABELS[:5]), "24 images have 5 labels"),
        ((IMAGES.astype(int), LABELS), "images must be uint8, or floats"),
        ((IMAGES, LABELS / 2), "labels must be one integer per image"),
        ((IMAGES[..., :2], LABELS), "are not \\[N, H, W\\]"),
        ({"validation": (IMAGES, LABELS)}, "a dict like this is no data"),
        ({"train": (IMAGES, LABELS), "tset": (IMAGES, LABELS)}, "a dict like this is no data"),
        (7, "a int like this is no data"),
        ({"train": TensorDataset(torch.zeros(3, 1, 4, 4))}, "item 0 is no pair"),
    ],
)
def test_what_is_no_data_is_said(source: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        open_data(source)


def test_arrays_of_another_size_than_the_model_s_are_refused() -> None:
    with pytest.raises(DataError, match="own data holds 6x5x3 images and the model needs 8x8x3"):
        open_data((IMAGES, LABELS), InputContract(8, 8, 3))


def test_a_picture_that_was_taken_upright_is_turned_as_of_a_file(tmp_path: Path) -> None:
    turned, path, contract = Image.Exif(), tmp_path / "photo.png", InputContract(9, 6, 3)
    turned[0x0112] = 6
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8)).save(path, exif=turned)

    class Photos(Pictures):
        def __getitem__(self, index: int) -> tuple[Image.Image, int]:
            with Image.open(path) as image:
                image.load()
                return image, index % 2

    data = open_data(Photos(), contract)
    np.testing.assert_array_equal(data.train.images[0], contract.read(path.read_bytes(), ""))
