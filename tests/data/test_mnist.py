from __future__ import annotations

import gzip
import hashlib

import pytest

from edgekit.data.dataset import Dataset
from edgekit.data.mnist import FOLDER

MD5_OF_THE_RAW_IDX_FILES = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}


@pytest.mark.parametrize(("name", "digest"), MD5_OF_THE_RAW_IDX_FILES.items())
def test_the_carried_files_are_the_well_known_ones(name: str, digest: str) -> None:
    raw = gzip.decompress((FOLDER / f"{name}.gz").read_bytes())
    assert hashlib.md5(raw, usedforsecurity=False).hexdigest() == digest


def test_the_validation_images_come_from_the_training_images(mnist: Dataset) -> None:
    assert (len(mnist.train), len(mnist.validation), len(mnist.test)) == (54_999, 5_001, 10_000)
    assert mnist.image_shape == (28, 28, 1)
    assert mnist.classes == tuple("0123456789")
