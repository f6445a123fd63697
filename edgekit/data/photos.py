"""Encoded images (files of a folder, rows of a table) as splits of pixels that are decoded once and kept on disk."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from edgekit.console import progress, say, warn
from edgekit.data.dataset import HELD_OUT, Dataset, Images, Labels, Rows, Split, class_called, divide
from edgekit.data.decoding import WORTH_BYTES, Sent, decode_photos, each, photo_shapes
from edgekit.data.photo_cache import PhotoCache, Shard, StoredPhotos
from edgekit.data.reading import STRICT, Reading
from edgekit.errors import DataError, input_errors
from edgekit.inputs.contract import InputContract

TASK_BYTES = 64 << 20
"""Of encoded photos that a process is given together."""
SHAPES = 256
"""Photos of which a process finds the sizes together."""
NO_ROOM = (
    ", which has no room or cannot be written, so they are decoded whenever they are needed; free some space or set "
    "EDGEKIT_CACHE to a folder on another disk"
)


class EncodedImage(Protocol):
    """An image that is read and decoded only when it is needed."""

    @property
    def name(self) -> str:
        """What error messages call it."""

    @property
    def stamp(self) -> str:
        """A text that is another one when the image has changed; empty if nothing tells."""

    @property
    def size(self) -> int:
        """Bytes, roughly."""

    def read(self) -> bytes:
        """Its encoded bytes."""

    def sent(self) -> Sent:
        """What another process reads it from."""


@dataclass(frozen=True)
class EncodedSplit:
    """Encoded images with their labels (None if there are none)."""

    images: Sequence[EncodedImage]
    labels: Labels | None


class PhotoArray:
    """An ImageArray [N, H, W, C] over encoded images, as a model of ``contract`` eats them.

    Pixels come from the cache; what is not there is decoded when it is asked for, so memory does not grow with their
    number.
    """

    def __init__(self, images: Sequence[EncodedImage], contract: InputContract, stored: StoredPhotos) -> None:
        self._images, self._contract, self._stored = images, contract, stored
        self._numbers = np.arange(len(images))
        self.shape = (len(images), *contract.shape)

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, indices: Any) -> Images:
        """uint8 [H, W, C] for an integer, [n, H, W, C] for a slice, an index array or a mask.

        Raises:
            DataError: an image is not in the cache, and its file has gone or changed to something unreadable.
        """
        numbers = self._numbers[indices]
        rows = np.atleast_1d(numbers)
        pixels = np.empty((len(rows), *self.shape[1:]), np.uint8)
        for position in self._stored.read(rows, pixels):
            pixels[position] = self._decoded(int(rows[position]))
        return pixels if numbers.ndim else pixels[0]

    def _decoded(self, number: int) -> Images:
        image = self._images[number]
        with input_errors(DataError):
            pixels = self._contract.read(image.read(), image.name)
        self._stored.mend(number, pixels)
        return pixels


def photo_dataset(
    source: Path,
    classes: tuple[str, ...],
    parts: Mapping[str, EncodedSplit],
    contract: InputContract | None,
    reading: Reading = STRICT,
) -> Dataset:
    """A Dataset of encoded images as a model of ``contract`` eats them (None: photos of the size that all have).

    Every image that the cache does not know is decoded here, in constant memory: a broken one is found now, not after
    hours of training. ``source`` is where they come from.

    Raises:
        DataError: an image cannot be decoded or does not show what the model knows (unless ``reading`` leaves such
            out), a class has none left, or the images differ in size and no contract says which they should have.
    """
    source = source.resolve()
    images = [image for split in parts.values() for image in split.images]
    broken = _Broken(source, images, reading)
    contract = contract or _common_contract(images, broken)
    cache = PhotoCache(str(source), contract)
    stored = cache.find([image.stamp for image in images])
    _decode(images, stored, cache, contract, broken)
    digest = hashlib.sha256(repr((classes, contract.shape, contract.domain, HELD_OUT)).encode())
    photos, begin, splits = PhotoArray(images, contract, stored), 0, {}
    contents: list[str] = []
    for part, split in parts.items():
        kept = np.array([number for number in range(begin, begin + len(split.images)) if stored.sha256[number]], int)
        labels = None
        if split.labels is not None:
            labels = split.labels[kept - begin]
            if len(lost := np.setdiff1d(split.labels, labels)):
                which = class_called(classes, int(lost[0]))
                raise DataError(f"{source}, {part} split: no photo of {which} can be read; add some.")
        digest.update(f"{part}{None if labels is None else labels.tolist()}".encode())
        splits[part] = Split(Rows(photos, kept), labels)
        if part == "train":
            contents = [stored.sha256[number] for number in kept]
        begin += len(split.images)
    for text in filter(None, stored.sha256):
        digest.update(bytes.fromhex(text))
    broken.conclude()
    return Dataset(source.name, classes, **divide(source.name, splits, classes, contents), sha256=digest.hexdigest())


class _Broken:
    """The photos of a source that cannot be used: the first is an error, or all are left out and listed."""

    def __init__(self, source: Path, images: Sequence[EncodedImage], reading: Reading) -> None:
        self._source, self._images, self._reading = source, images, reading
        self._numbers: set[int] = set()

    def add(self, number: int, reason: str) -> None:
        """Photo ``number`` cannot be used."""
        if not self._reading.skip_broken:
            raise DataError(f"{reason.rstrip('.')}, or leave such photos out with --skip-broken.")
        if number not in self._numbers:
            say(f"left out: {reason}")
        self._numbers.add(number)
        if len(self._numbers) == len(self._images):
            raise DataError(f"{self._source}: none of the photos can be read; look at {self._images[0].name}.")

    def conclude(self) -> None:
        """Say how many there were."""
        if self._numbers:
            count = f"{len(self._numbers):,} of {len(self._images):,} photos"
            warn(f"left out {count} of {self._source}, which cannot be read")


def _decode(
    images: Sequence[EncodedImage], stored: StoredPhotos, cache: PhotoCache, contract: InputContract, broken: _Broken
) -> None:
    """Decode what is not stored yet, and store it as long as there is room."""
    missing = [number for number, known in enumerate(stored.sha256) if not known]
    if not missing:
        return
    total = sum(images[number].size for number in missing)
    folder = str(cache.folder) if cache.has_room(len(missing)) else ""
    size = len(missing) * math.prod(contract.shape)
    room = f"{len(missing):,} photos at {contract.width}x{contract.height}: {size / 1e9:.2f} GB in {cache.home}"
    if not folder:
        warn(room + NO_ROOM)
    elif total >= WORTH_BYTES:
        say(f"{room}, kept for the next command")
    chunks = list(_chunks(images, missing, cache.rows))
    tasks = (
        {
            "photos": [images[number].sent() for number in chunk],
            "names": [images[number].name for number in chunk],
            "stamps": [images[number].stamp for number in chunk],
            "contract": contract.to_dict(),
            "folder": folder,
        }
        for chunk in chunks
    )
    done = 0
    with progress("reading photos", len(missing)) as bar, closing(each(decode_photos, tasks, total)) as answers:
        for chunk, answer in zip(chunks, answers, strict=True):
            for place, reason in answer["broken"]:
                broken.add(chunk[place], reason)
            shard = Shard(**answer["shard"])
            stored.add(shard, [(row, chunk[place]) for row, place in enumerate(answer["stored"])])
            if folder and answer["stored"] and not shard.path:
                folder = ""  # for the tasks to come
                warn(room + NO_ROOM)
            done += len(chunk)
            bar.update(done)


def _chunks(images: Sequence[EncodedImage], numbers: Sequence[int], most: int) -> Iterator[list[int]]:
    """The numbers in their order, as many together as a process is given at once."""
    chunk: list[int] = []
    size = 0
    for number in numbers:
        if len(chunk) == most or (chunk and size + images[number].size > TASK_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(number)
        size += images[number].size
    yield chunk


def _common_contract(images: Sequence[EncodedImage], broken: _Broken) -> InputContract:
    """Raw pixels in the one height and width of all images; colour if any of them is."""
    chunks = list(_chunks(images, range(len(images)), SHAPES))
    tasks = (
        {"photos": [images[number].sent() for number in chunk], "names": [images[number].name for number in chunk]}
        for chunk in chunks
    )
    shapes: dict[tuple[int, ...], str] = {}
    with closing(each(photo_shapes, tasks, sum(image.size for image in images))) as answers:
        for chunk, answer in zip(chunks, answers, strict=True):
            for number, found in zip(chunk, answer, strict=True):
                if isinstance(found, str):
                    broken.add(number, found)
                else:
                    shapes.setdefault(tuple(found), images[number].name)
    (height, width, _), first = next(iter(shapes.items()))
    for other, name in shapes.items():
        if other[:2] != (height, width):
            raise DataError(
                f"{first} is {height}x{width} pixels and {name} is {other[0]}x{other[1]}; "
                "say which shape they shall be fitted to."
            )
    return InputContract(height, width, max(shape[2] for shape in shapes))
