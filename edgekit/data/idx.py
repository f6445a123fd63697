"""The IDX format of MNIST and its relatives: a big-endian header and raw bytes, gzipped or not.

Format: http://yann.lecun.com/exdb/mnist (magic 0x0000, type code, rank, then one uint32 per dimension).
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgekit.data.arrays import array_dataset
from edgekit.data.dataset import Dataset
from edgekit.errors import DataError
from edgekit.files import require_file

STEMS = {
    "train images": "train-images-idx3-ubyte",
    "train labels": "train-labels-idx1-ubyte",
    "test images": "t10k-images-idx3-ubyte",
    "test labels": "t10k-labels-idx1-ubyte",
}
MAX_BYTES = 4 << 30


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Read one IDX file of unsigned bytes, gzipped if its name ends in .gz.

    Raises:
        DataError: it is missing, truncated, of another type, or larger than its header says.
    """
    require_file(path, DataError)
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as stream:
            head = stream.read(4)
            if len(head) < 4 or head[0] != 0 or head[1] != 0 or head[2] != 0x08 or not 1 <= head[3] <= 4:
                raise DataError(f"{path} is not an IDX file of unsigned bytes; check that it is the right file.")
            raw_shape = stream.read(4 * head[3])
            if len(raw_shape) < 4 * head[3]:
                raise DataError(f"{path} ends inside its header; download it again.")
            shape = tuple(int(size) for size in np.frombuffer(raw_shape, ">u4"))
            expected = math.prod(shape)
            if expected > MAX_BYTES:
                raise DataError(f"{path} says that it holds {expected} bytes; more than {MAX_BYTES} are not read.")
            data = stream.read(expected + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as exc:
        raise DataError(f"{path} is a broken gzip file ({exc}); download it again.") from exc
    if len(data) != expected:
        raise DataError(f"{path} should hold {expected} bytes of data but is cut short or too long; download it again.")
    return np.frombuffer(data, np.uint8).reshape(shape)


def open_idx(folder: Path, name: str | None = None, classes: tuple[str, ...] | None = None) -> Dataset:
    """Open a folder of the four IDX files under their usual names, each with or without .gz.

    Raises:
        DataError: a file is missing or broken, or images and labels do not belong together.
    """
    arrays = {}
    for part, stem in STEMS.items():
        paths = [folder / f"{stem}.gz", folder / stem]
        path = next((item for item in paths if item.exists()), paths[0])
        arrays[part] = read_idx(path)
    parts = {split: (arrays[f"{split} images"], arrays[f"{split} labels"]) for split in ("train", "test")}
    return array_dataset(name or str(folder), parts, classes)
