"""Decoded photos on disk, kept from one command to the next.

A cache is a folder for one source under one contract, of shards that are written once. A shard is a line of JSON (of
each photo its stamp, the SHA-256 of its file and the CRC-32 of its pixels) and the photos' pixels, uint8 [n, H, W, C].
It is called after the SHA-256 of its first line, so a damaged line is found when a cache is opened, as a file of
another length is; damaged pixels are found when they are first read, and are decoded again. What a killed command has
finished is used by the next one, and commands at the same time do not see each other.

Pixels are read, not mapped: mapped pages would count as the command's memory, and a full disk would end it.
"""

from __future__ import annotations

import json
import os
import shutil
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgekit.data.dataset import Images
from edgekit.files import PART, cache_folder, replacing, sha256_bytes
from edgekit.inputs import contract as inputs
from edgekit.inputs.contract import InputContract

SHARD_BYTES = 12 << 20
"""Of pixels in a shard; a sandboxed process may write files of 16 MiB."""
SHARD_PHOTOS = 512
FORGOTTEN_S = 30 * 86_400
"""A cache that was not opened for so long is removed when another is made."""
IN_USE_S = 86_400
"""What was opened or written since then may belong to a command that runs."""
SPARE_BYTES = 1 << 30
"""What is left free on the disk."""
SUFFIX = ".photos"


@dataclass(frozen=True)
class Shard:
    """A file of the cache: where its pixels begin, and of each photo what the first line says."""

    path: str
    begin: int
    stamps: Sequence[str]
    sha256: Sequence[str]
    crc32: Sequence[int]


def write_shard(folder: Path, stamps: Sequence[str], sha256: Sequence[str], pixels: Images) -> Shard:
    """Write the pixels uint8 [n, H, W, C] of n photos, whole or not at all.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    crc32 = [zlib.crc32(image.data) for image in pixels]
    head = (json.dumps({"stamps": list(stamps), "sha256": list(sha256), "crc32": crc32}) + "\n").encode()
    path = folder / f"{sha256_bytes(head)[:32]}{SUFFIX}"
    with replacing(path) as stream:  # not waited for until it is on the disk: all of it has checksums
        stream.write(head)
        stream.write(pixels.data)
    return Shard(str(path), len(head), stamps, sha256, crc32)


def read_shard(path: Path, row_bytes: int) -> Shard | None:
    """What a shard holds; None if it is damaged."""
    try:
        with path.open("rb") as stream:
            head = stream.readline()
            size = stream.seek(0, os.SEEK_END)
    except OSError:
        return None
    if sha256_bytes(head)[:32] != path.stem:
        return None
    found = json.loads(head)
    if size != len(head) + row_bytes * len(found["stamps"]):
        return None
    return Shard(str(path), len(head), **found)


class StoredPhotos:
    """Where the pixels of each of ``count`` photos lie, and the SHA-256 of its file ("" if it was not decoded)."""

    def __init__(self, count: int) -> None:
        self.sha256 = [""] * count
        self._shards: list[tuple[str, int]] = []
        self._shard = np.full(count, -1, np.int32)
        self._row = np.zeros(count, np.int32)
        self._crc32 = np.zeros(count, np.uint32)
        self._checked = np.zeros(count, bool)

    def add(self, shard: Shard, places: Sequence[tuple[int, int]]) -> None:
        """Of a shard the rows ``row`` are the photos ``photo``, for each (row, photo)."""
        for row, photo in places:
            self.sha256[photo] = shard.sha256[row]
            if shard.path:
                self._shard[photo], self._row[photo], self._crc32[photo] = len(self._shards), row, shard.crc32[row]
        self._shards.append((shard.path, shard.begin))

    def read(self, photos: NDArray[np.int64], pixels: Images) -> Iterator[int]:
        """Fill ``pixels`` uint8 [n, H, W, C] with those of n photos; yields the positions that are not to be had."""
        order = np.lexsort((self._row[photos], self._shard[photos]))
        for number, group in groupby(order.tolist(), key=lambda position: int(self._shard[photos[position]])):
            left = list(group)
            if number >= 0:
                with suppress(OSError), self._open(number, "rb") as stream:  # it may have been removed
                    left = [at for at in left if not self._fill(stream, int(photos[at]), pixels[at])]
            yield from left

    def mend(self, photo: int, pixels: Images) -> None:
        """Write damaged pixels again, if there is a place for them and these are the same."""
        number = int(self._shard[photo])
        if number >= 0 and zlib.crc32(pixels.data) == self._crc32[photo]:
            with suppress(OSError), self._open(number, "r+b") as stream:  # otherwise they are decoded once more
                stream.seek(self._begin(photo, pixels.nbytes))
                stream.write(pixels.data)

    def _open(self, number: int, mode: str) -> FileIO:
        return FileIO(self._shards[number][0], mode)

    def _begin(self, photo: int, row_bytes: int) -> int:
        _, begin = self._shards[int(self._shard[photo])]
        return begin + int(self._row[photo]) * row_bytes

    def _fill(self, stream: FileIO, photo: int, pixels: Images) -> bool:
        """Read a photo's pixels; False if they are not whole. They are checked once."""
        stream.seek(self._begin(photo, pixels.nbytes))
        whole = stream.readinto(pixels.data) == pixels.nbytes
        self._checked[photo] = self._checked[photo] or zlib.crc32(pixels.data) == self._crc32[photo]
        return whole and bool(self._checked[photo])


class PhotoCache:
    """The shards of one source (a path) under one contract."""

    def __init__(self, source: str, contract: InputContract) -> None:
        self._row_bytes = int(np.prod(contract.shape))
        key = [_code_of_pixels(), contract.shape, contract.domain, source]
        self.folder = cache_folder("photos", key).absolute()
        self.home = self.folder.parent

    @property
    def rows(self) -> int:
        """Photos of a shard."""
        return max(1, min(SHARD_PHOTOS, SHARD_BYTES // self._row_bytes))

    def find(self, stamps: Sequence[str]) -> StoredPhotos:
        """What is known of the photos with these stamps; what is damaged or mostly of other photos is removed."""
        stored = StoredPhotos(len(stamps))
        with suppress(OSError):
            os.utime(self.folder)
        wanted = {stamp: photo for photo, stamp in enumerate(stamps) if stamp}
        for path in sorted(self.folder.glob(f"*{SUFFIX}")):
            shard = read_shard(path, self._row_bytes)
            if shard is None:
                path.unlink(missing_ok=True)
                continue
            places = [(row, wanted[stamp]) for row, stamp in enumerate(shard.stamps) if stamp in wanted]
            if 2 * len(places) < len(shard.stamps) and _age_s(path) > IN_USE_S:
                path.unlink(missing_ok=True)
                continue
            stored.add(shard, places)
            for _, photo in places:
                del wanted[stamps[photo]]
        return stored

    def has_room(self, photos: int) -> bool:
        """Whether so many more can be stored, if need be in place of caches that have not been opened for longest."""
        needed = photos * self._row_bytes + SPARE_BYTES
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for part in self.folder.glob(f"*{PART}"):
                if _age_s(part) > IN_USE_S:
                    part.unlink()
            others = sorted((path for path in self.home.iterdir() if path != self.folder), key=_age_s, reverse=True)
            for other in others:
                short = shutil.disk_usage(self.home).free < needed
                if _age_s(other) > (IN_USE_S if short else FORGOTTEN_S):
                    shutil.rmtree(other, ignore_errors=True)
            return self._row_bytes <= SHARD_BYTES and shutil.disk_usage(self.home).free >= needed
        except OSError:
            return False


def _age_s(path: Path) -> float:
    """Since its last change; 0 if another command has just removed it."""
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0


def _code_of_pixels() -> str:
    """Changes with whatever decides the pixels of a photo: Pillow, and the code of ``edgekit.inputs``."""
    import PIL

    files = sorted(Path(inputs.__file__).parent.rglob("*.py"))
    return PIL.__version__ + sha256_bytes(b"".join(path.read_bytes() for path in files))
