"""Encoded images (files of a folder, rows of a table) as splits that are decoded on demand."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.console import progress
from edgekit.data.dataset import Dataset, Images, Labels, Split, divide
from edgekit.data.image import decode_image, to_photo
from edgekit.errors import DataError

Shape = tuple[int, int, int]


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

    def __len__(self) -> int:
        return len(self.images)

    def take(self, indices: NDArray[np.int64]) -> EncodedSplit:
        """The given rows."""
        images = tuple(self.images[index] for index in indices)
        return EncodedSplit(images, None if self.labels is None else self.labels[indices])


class PhotoArray:
    """An ImageArray [N, H, W, C] over encoded images: indexing decodes and fits the chosen ones."""

    def __init__(self, images: Sequence[EncodedImage], shape: Shape) -> None:
        self._images = images
        self.shape = (len(images), *shape)

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, indices: Any) -> Images:
        """uint8 [H, W, C] for an integer, [n, H, W, C] for a slice, an index array or a mask."""
        rows = np.arange(len(self))[indices]
        if rows.ndim == 0:
            return self._decode(int(rows))
        result = np.empty((len(rows), *self.shape[1:]), np.uint8)
        for position, row in enumerate(rows):
            result[position] = self._decode(int(row))
        return result

    def _decode(self, row: int) -> Images:
        image = self._images[row]
        _, height, width, channels = self.shape
        return to_photo(decode_image(image.read(), image.name), (height, width, channels))


def photo_dataset(
    name: str, classes: tuple[str, ...], parts: Mapping[str, EncodedSplit], image_shape: Shape | None
) -> Dataset:
    """A Dataset of encoded images fitted to ``image_shape`` (None: the size that all of them have).

    Every image is decoded once here, in constant memory: a broken one is found now, not after hours of training.

    Raises:
        DataError: an image cannot be decoded, or the images differ in size and no shape is given.
    """
    digest = hashlib.sha256(repr(classes).encode())
    shapes: dict[Shape, str] = {}
    with progress(f"checking the images of {name}", sum(map(len, parts.values()))) as bar:
        done = 0
        for part, split in parts.items():
            digest.update(f"{part}{None if split.labels is None else split.labels.tolist()}".encode())
            for image in split.images:
                data = image.read()
                digest.update(hashlib.sha256(data).digest())
                height, width, channels = decode_image(data, image.name).shape
                shapes.setdefault((height, width, channels), image.name)
                done += 1
                bar.update(done)
    shape = image_shape or _common_shape(shapes)
    digest.update(repr(shape).encode())
    splits = {part: Split(PhotoArray(split.images, shape), split.labels) for part, split in divide(name, parts).items()}
    return Dataset(name, classes, splits["train"], splits["validation"], splits["test"], digest.hexdigest())


def _common_shape(shapes: Mapping[Shape, str]) -> Shape:
    """The one height and width of all images; colour if any of them is."""
    (height, width, _), first = next(iter(shapes.items()))
    for other, name in shapes.items():
        if other[:2] != (height, width):
            raise DataError(
                f"{first} is {height}x{width} pixels and {name} is {other[0]}x{other[1]}; "
                "say which image_shape they shall be fitted to."
            )
    return (height, width, max(shape[2] for shape in shapes))
