import gzip
from pathlib import Path

import numpy as np
import pytest

from edgekit.data.idx import open_idx, read_idx
from edgekit.data.mnist import open_mnist
from edgekit.errors import DataError


def idx_bytes(array: np.ndarray) -> bytes:
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


def write_folder(folder: Path, test_labels: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    arrays = {
        "train-images-idx3-ubyte": rng.integers(0, 256, (40, 5, 6), np.uint8),
        "train-labels-idx1-ubyte": np.tile(np.arange(4, dtype=np.uint8), 10),
        "t10k-images-idx3-ubyte": rng.integers(0, 256, (8, 5, 6), np.uint8),
        "t10k-labels-idx1-ubyte": test_labels,
    }
    for name, array in arrays.items():
        (folder / name).write_bytes(idx_bytes(array))


def test_a_file_is_read_with_and_without_gzip(tmp_path: Path) -> None:
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    (tmp_path / "plain").write_bytes(idx_bytes(array))
    (tmp_path / "packed.gz").write_bytes(gzip.compress(idx_bytes(array)))
    assert np.array_equal(read_idx(tmp_path / "plain"), array)
    assert np.array_equal(read_idx(tmp_path / "packed.gz"), array)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"\x00\x00\x0d\x01" + bytes(8), "not an IDX file of unsigned bytes"),
        (b"PK\x03\x04 and so on", "not an IDX file"),
        (b"\x00\x00\x08\x03\x00\x00", "ends inside its header"),
        (idx_bytes(np.zeros((3, 4), np.uint8))[:-1], "cut short or too long"),
        (idx_bytes(np.zeros((3, 4), np.uint8)) + b"x", "cut short or too long"),
        (b"\x00\x00\x08\x03" + b"\xff" * 12, "more than .* are not read"),
    ],
)
def test_a_broken_file_is_refused_by_name(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "broken-ubyte"
    path.write_bytes(data)
    with pytest.raises(DataError, match=f"broken-ubyte.*{message}"):
        read_idx(path)


def test_a_truncated_gzip_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(idx_bytes(np.arange(200, dtype=np.uint8)))[:-20])
    with pytest.raises(DataError, match=r"images\.gz is a broken gzip file"):
        read_idx(path)


def test_a_folder_of_four_files_becomes_a_dataset(tmp_path: Path) -> None:
    write_folder(tmp_path, np.zeros(8, np.uint8))
    data = open_idx(tmp_path)
    assert data.classes == ("0", "1", "2", "3")
    assert data.image_shape == (5, 6, 1)
    assert [len(split) for split in (data.train, data.validation, data.test)] == [36, 4, 8]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    write_folder(tmp_path, np.zeros(8, np.uint8))
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte.* does not exist"):
        open_idx(tmp_path)


def test_more_labels_than_images_are_refused(tmp_path: Path) -> None:
    write_folder(tmp_path, np.zeros(9, np.uint8))
    with pytest.raises(DataError, match="test split: 8 images have 9 labels"):
        open_idx(tmp_path)


def test_a_test_label_beyond_the_training_classes_is_refused(tmp_path: Path) -> None:
    write_folder(tmp_path, np.full(8, 9, np.uint8))
    with pytest.raises(DataError, match="the test labels run from 9 to 9, but there are 4 classes"):
        open_idx(tmp_path)


def test_mnist_is_carried_by_the_package() -> None:
    data = open_mnist()
    assert data.image_shape == (28, 28, 1)
    assert len(data.train) + len(data.validation) == 60_000
    assert len(data.test) == 10_000
    assert data.test.labels is not None
    assert data.test.labels[:5].tolist() == [7, 2, 1, 0, 4]
