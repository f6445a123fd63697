import io
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from edgekit.data import open_unlabelled
from edgekit.data.arrays import array_dataset, open_npz
from edgekit.errors import DataError

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (48, 6, 5, 3), np.uint8)
LABELS = np.arange(48) % 3


def save(path: Path, **arrays: object) -> Path:
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize(
    "names",
    [
        ("x_train", "y_train", "x_test", "y_test"),
        ("X_train", "Y_train", "X_test", "Y_test"),
        ("train_images", "train_labels", "test_images", "test_labels"),
        ("trainX", "trainY", "testX", "testY"),
        ("train_data", "train_targets", "test_data", "test_targets"),
    ],
)
def test_the_usual_names_of_splits_are_understood(tmp_path: Path, names: tuple[str, ...]) -> None:
    arrays = dict(zip(names, (IMAGES, LABELS, IMAGES[:9], LABELS[:9]), strict=True))
    data = open_npz(save(tmp_path / "d.npz", **arrays))
    assert data.classes == ("0", "1", "2")
    assert [len(split) for split in (data.train, data.validation, data.test)] == [45, 3, 9]
    assert np.array_equal(data.test.images[:], IMAGES[:9])


@pytest.mark.parametrize(
    "names", [("images", "labels"), ("x", "y"), ("X", "y"), ("data", "labels"), ("image", "label")]
)
def test_the_usual_names_without_splits_are_understood(tmp_path: Path, names: tuple[str, str]) -> None:
    data = open_npz(save(tmp_path / "d.npz", **{names[0]: IMAGES, names[1]: LABELS}))
    assert [len(split) for split in (data.train, data.validation, data.test)] == [36, 3, 9]


def test_a_validation_split_and_class_names_are_taken(tmp_path: Path) -> None:
    parts: dict[str, np.ndarray] = {}
    for split in ("train", "val", "test"):
        parts |= {f"x_{split}": IMAGES, f"y_{split}": LABELS}
    data = open_npz(save(tmp_path / "d.npz", classes=["cat", "dog", "bird"], **parts))
    assert data.classes == ("cat", "dog", "bird")
    assert len(data.validation) == 48


@pytest.mark.parametrize(("names", "shape"), [(3, r"\(\)"), ("ab", r"\(\)"), ([["cat"], ["dog"]], r"\(2, 1\)")])
def test_names_of_classes_that_are_no_list_are_refused(tmp_path: Path, names: object, shape: str) -> None:
    path = save(tmp_path / "d.npz", x=IMAGES, y=LABELS, class_names=names)
    with pytest.raises(DataError, match=rf"d\.npz: the names of its classes are no list, but {shape};"):
        open_npz(path)


def test_test_images_alone_are_for_evaluation(tmp_path: Path) -> None:
    data = open_npz(save(tmp_path / "d.npz", x_test=IMAGES, y_test=LABELS))
    assert [len(split) for split in (data.train, data.validation, data.test)] == [0, 0, 48]
    assert data.classes == ("0", "1", "2")
    with pytest.raises(DataError, match=r"d\.npz has no training images to ask a teacher about"):
        open_unlabelled(tmp_path / "d.npz")


def test_images_without_labels_are_for_calibration(tmp_path: Path) -> None:
    data = open_npz(save(tmp_path / "d.npz", images=IMAGES))
    assert data.train.labels is None
    assert len(data.train) == 48


@pytest.mark.parametrize(
    ("images", "shape"),
    [
        (IMAGES, (6, 5, 3)),
        (IMAGES[..., 0], (6, 5, 1)),
        (IMAGES[..., :1], (6, 5, 1)),
        (IMAGES.transpose(0, 3, 1, 2), (6, 5, 3)),
        (IMAGES / 255, (6, 5, 3)),
        ((IMAGES / 255).astype(np.float16), (6, 5, 3)),
    ],
)
def test_images_of_any_layout_become_uint8_with_channels_last(images: np.ndarray, shape: tuple[int, ...]) -> None:
    data = array_dataset("d", {"train": (images, None)})
    assert data.image_shape == shape
    assert np.array_equal(data.train.images[:], IMAGES[..., : shape[2]])


def test_labels_may_be_a_column() -> None:
    data = array_dataset("d", {"train": (IMAGES, LABELS[:, None].astype(np.uint8))})
    assert data.classes == ("0", "1", "2")


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (IMAGES.astype(np.int8), "must be uint8, or floats in"),
        (IMAGES.astype(np.float32), "must be uint8, or floats in"),
        (np.full(IMAGES.shape, np.nan), "must be uint8, or floats in"),
        (IMAGES.reshape(48, -1), "are not"),
        (RNG.integers(0, 256, (48, 6, 5, 7), np.uint8), "are not"),
        (IMAGES[:0], "holds no images"),
    ],
)
def test_arrays_that_are_no_images_are_refused(images: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=f"d, train split.*{message}"):
        array_dataset("d", {"train": (images, LABELS)})


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (LABELS[:-1], "48 images have 47 labels"),
        (LABELS / 2, "one integer per image"),
        (np.eye(3)[LABELS], "one integer per image"),
        (LABELS - 1, "labels run from -1 to 1"),
        (LABELS * 10**9, "labels run from 0 to 2000000000"),
    ],
)
def test_labels_that_number_no_classes_are_refused(labels: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        array_dataset("d", {"train": (IMAGES, labels)})


def test_splits_of_different_sizes_are_refused() -> None:
    with pytest.raises(DataError, match="different sizes"):
        array_dataset("d", {"train": (IMAGES, LABELS), "test": (IMAGES[:, :4], LABELS)})


def test_labels_in_one_split_only_are_refused() -> None:
    with pytest.raises(DataError, match="labels for some splits only"):
        array_dataset("d", {"train": (IMAGES, LABELS), "test": (IMAGES, None)})


def test_a_file_without_images_names_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"d\.npz holds weights, bias, but images for training or test are needed"):
        open_npz(save(tmp_path / "d.npz", weights=IMAGES, bias=LABELS))


def test_pickled_objects_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"d\.npz: 'x' cannot be read \(it holds Python objects\)"):
        open_npz(save(tmp_path / "d.npz", x=np.array([{"a": 1}], object), y=LABELS))


def test_every_cut_of_a_file_is_refused_by_name(tmp_path: Path) -> None:
    whole = save(tmp_path / "d.npz", x=IMAGES, y=LABELS).read_bytes()
    for length in range(0, len(whole), 97):
        (tmp_path / "cut.npz").write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"cut\.npz"):
            open_npz(tmp_path / "cut.npz")


def test_a_flipped_byte_is_noticed(tmp_path: Path) -> None:
    path = save(tmp_path / "d.npz", x=IMAGES, y=LABELS)
    damaged = bytearray(path.read_bytes())
    damaged[1000] ^= 0xFF
    path.write_bytes(damaged)
    with pytest.raises(DataError, match=r"d\.npz is not a readable"):
        open_npz(path)


def test_a_header_that_claims_terabytes_is_refused(tmp_path: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (10**13, 2, 2)})
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w") as archive:
        archive.writestr("x.npy", header.getvalue())
    with pytest.raises(DataError, match=r"bomb\.npz is not a readable"):
        open_npz(tmp_path / "bomb.npz")


def test_every_flipped_byte_of_a_compressed_file_is_refused_or_harmless(tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    np.savez_compressed(path, x=IMAGES, y=LABELS)
    whole, refused = path.read_bytes(), 0
    for place in range(0, min(len(whole), 900), 3):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        with suppress(DataError):
            open_npz(path)
            continue
        refused += 1
    assert refused > 250


@pytest.mark.parametrize("label", [-1, 10**13])
def test_a_label_that_is_none_of_the_named_classes_is_refused(tmp_path: Path, label: int) -> None:
    labels = np.where(LABELS == 2, label, LABELS)
    with pytest.raises(DataError, match="but there are 3 classes"):
        open_npz(save(tmp_path / "d.npz", x=IMAGES, y=labels, classes=["cat", "dog", "bird"]))
