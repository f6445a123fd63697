"""A teacher's answers to one view on disk: a file of fixed size, filled block by block, each with its checksum.

The file begins with the CRC-32 of each block of rows as little-endian uint32, 0 where there is none yet; the rows
follow. Its space is taken before the first question, so that a full disk is known then. What a killed run had finished
is used by the next one; a damaged block is one that is not there. Rows are mapped, not read: memory stays flat.
"""

from __future__ import annotations

import errno
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgekit.files import replacing, storage_errors

BLOCK = 512
"""Rows that are stored together."""
PLACE = "EDGEKIT_CACHE"
"""What chooses another disk."""


class AnswerFile:
    """``count`` rows of the numpy type ``row``.

    Raises:
        StorageError: the disk is full or the folder cannot be written.
    """

    def __init__(self, path: Path, count: int, row: np.dtype[Any]) -> None:
        blocks = -(-count // BLOCK)
        self._path, begin = path, 4 * blocks
        size = begin + count * row.itemsize
        with storage_errors(path, PLACE):
            if not path.is_file() or path.stat().st_size != size:
                _allocate(path, size)
            # One file for both maps, also if another command puts its own in this place meanwhile.
            mode: Literal["r", "r+"] = "r+" if os.access(path, os.W_OK) else "r"
            with path.open(mode + "b") as stream:
                self._sums = np.memmap(stream, "<u4", mode, 0, (blocks,))
                self.rows: NDArray[Any] = np.memmap(stream, row, mode, begin, (count,))

    def missing(self) -> Iterator[NDArray[np.int64]]:
        """The rows of each block that is not there, or not whole."""
        for number, start in enumerate(range(0, len(self.rows), BLOCK)):
            rows = np.arange(start, min(start + BLOCK, len(self.rows)))
            if zlib.crc32(self.rows[rows].tobytes()) != self._sums[number]:
                yield rows

    def write(self, rows: NDArray[np.int64], values: NDArray[Any]) -> None:
        """Store the values of one block of rows, then its checksum.

        Raises:
            StorageError: the file cannot be written.
        """
        with storage_errors(self._path, PLACE):
            if not self.rows.flags.writeable:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        self.rows[rows] = values
        self._sums[int(rows[0]) // BLOCK] = zlib.crc32(self.rows[rows].tobytes())


def _allocate(path: Path, size: int) -> None:
    """A file of zeros whose space is taken; another command that has an old file open keeps that one."""
    with replacing(path) as stream:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(stream.fileno(), 0, size)
        else:
            for start in range(0, size, 1 << 20):
                stream.write(bytes(min(1 << 20, size - start)))
