"""Encoded images (files of a folder, rows of a table) as splits of pixels that are decoded once, when opened."""

from __future__ import annotations

import hashlib
import math
import os
import shutil
import tempfile
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import Any, TypeVar

import numpy as np

from edgekit.console import progress
from edgekit.data.dataset import Dataset, Images, Labels, Rows, Split, divide
from edgekit.errors import DataError, input_errors
from edgekit.files import user_cache
from edgekit.inputs.contract import InputContract
from edgekit.inputs.decode import decode_image

THREADS = min(4, os.cpu_count() or 1)
Result = TypeVar("Result")

AT_ONCE = 256
"""Images that are handed to the threads together, so that little is waited for when one is refused."""
MAX_STORED_BYTES = 4 << 30
"""Of decoded pixels on disk; a larger source is decoded again whenever its images are asked for."""


@dataclass(frozen=True)
class EncodedImage:
    """An image that is read and decoded only when it is needed; ``name`` is what error messages call it."""

    name: str
    read: Callable[[], bytes]


@dataclass(frozen=True)
class EncodedSplit:
    """Encoded images with their labels (None if there are none)."""

    images: tuple[EncodedImage, ...]
    labels: Labels | None


class PhotoArray:
    """An ImageArray [N, H, W, C] over encoded images, as a model of ``contract`` eats them.

    ``read_all`` decodes each image once and keeps its pixels in a file without a name, so that memory does not grow
    with their number. Where that file finds no room, indexing decodes again.
    """

    def __init__(self, images: Sequence[EncodedImage], contract: InputContract) -> None:
        self._images, self._contract = images, contract
        self.shape = (len(images), *contract.shape)
        self._store = _Store.with_room_for(self.shape)

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, indices: Any) -> Images:
        """uint8 [H, W, C] for an integer, [n, H, W, C] for a slice, an index array or a mask."""
        rows = np.arange(len(self))[indices]
        if rows.ndim == 0:
            return self._pixels(int(rows))
        result = np.empty((len(rows), *self.shape[1:]), np.uint8)
        for position, row in enumerate(rows):
            result[position] = self._pixels(int(row))
        return result

    def read_all(self) -> Iterator[bytes]:
        """The SHA-256 of each encoded image, in order.

        Raises:
            DataError: an image cannot be decoded, or does not show what the model knows.
        """
        return _in_threads(self._read, len(self))

    def _read(self, row: int) -> bytes:
        image = self._images[row]
        data = image.read()
        pixels = self._decoded(data, image.name)
        try:
            if self._store is not None:
                self._store.write(row, pixels)
        except OSError:  # a full disk costs time, not the run
            self._store = None
        return hashlib.sha256(data).digest()

    def _pixels(self, row: int) -> Images:
        if self._store is not None:
            return self._store.read(row)
        return self._decoded(self._images[row].read(), self._images[row].name)

    def _decoded(self, data: bytes, name: str) -> Images:
        with input_errors(DataError):
            return self._contract.read(data, name)


class _Store:
    """Rows of uint8 of one shape in a nameless file, which goes with the last reference to it."""

    def __init__(self, row_shape: tuple[int, ...]) -> None:
        self._file = tempfile.TemporaryFile(dir=user_cache(), buffering=0)  # noqa: SIM115 - open as long as the data
        self._shape, self._lock = row_shape, Lock()
        weakref.finalize(self, self._file.close)

    @classmethod
    def with_room_for(cls, shape: tuple[int, ...]) -> _Store | None:
        """A store for [N, ...], which is given half of the disk's free space at most; None if that is too little."""
        try:
            user_cache().mkdir(parents=True, exist_ok=True)
            room = min(MAX_STORED_BYTES, shutil.disk_usage(user_cache()).free // 2)
            return cls(shape[1:]) if math.prod(shape) <= room else None
        except OSError:
            return None

    def write(self, row: int, pixels: Images) -> None:
        with self._lock:
            self._file.seek(row * pixels.nbytes)
            self._file.write(pixels.data)

    def read(self, row: int) -> Images:
        pixels = np.empty(self._shape, np.uint8)
        with self._lock:
            self._file.seek(row * pixels.nbytes)
            self._file.readinto(pixels.data)
        return pixels


def photo_dataset(
    name: str, classes: tuple[str, ...], parts: Mapping[str, EncodedSplit], contract: InputContract | None
) -> Dataset:
    """A Dataset of encoded images as a model of ``contract`` eats them (None: photos of the size that all have).

    Every image is decoded here, in constant memory: a broken one is found now, not after hours of training.

    Raises:
        DataError: an image cannot be decoded or does not show what the model knows, or the images differ in size and
            no contract says which they should have.
    """
    images = [image for split in parts.values() for image in split.images]
    contract = contract or _common_contract(images)
    photos = PhotoArray(images, contract)
    digest = hashlib.sha256(repr((classes, contract.shape, contract.domain)).encode())
    begin, splits = 0, {}
    for part, split in parts.items():
        digest.update(f"{part}{None if split.labels is None else split.labels.tolist()}".encode())
        splits[part] = Split(Rows(photos, np.arange(begin, begin + len(split.images))), split.labels)
        begin += len(split.images)
    with progress(f"reading the images of {name}", len(images)) as bar:
        for done, image_digest in enumerate(photos.read_all(), 1):
            digest.update(image_digest)
            bar.update(done)
    return Dataset(name, classes, **divide(name, splits, classes), sha256=digest.hexdigest())


def _common_contract(images: Sequence[EncodedImage]) -> InputContract:
    """Raw pixels in the one height and width of all images; colour if any of them is."""

    def shape_of(row: int) -> tuple[int, ...]:
        with input_errors(DataError):
            return decode_image(images[row].read(), images[row].name).shape

    shapes: dict[tuple[int, ...], str] = {}
    for row, shape in enumerate(_in_threads(shape_of, len(images))):
        shapes.setdefault(shape, images[row].name)
    (height, width, _), first = next(iter(shapes.items()))
    for other, name in shapes.items():
        if other[:2] != (height, width):
            raise DataError(
                f"{first} is {height}x{width} pixels and {name} is {other[0]}x{other[1]}; "
                "say which shape they shall be fitted to."
            )
    return InputContract(height, width, max(shape[2] for shape in shapes))


def _in_threads(work: Callable[[int], Result], count: int) -> Iterator[Result]:
    """``work(0)`` to ``work(count - 1)``, in order; decoders leave the interpreter to other threads."""
    # Threads that leave decode_image restore each other's filters of warnings; nothing of that is to remain.
    with warnings.catch_warnings(), ThreadPoolExecutor(THREADS) as pool:
        warnings.simplefilter("ignore")
        for start in range(0, count, AT_ONCE):
            yield from pool.map(work, range(start, min(start + AT_ONCE, count)))
