"""Image files: their bytes, and their pixels as a model eats them."""

from __future__ import annotations

import os
import time
from pathlib import Path

from edgekit.errors import DataError, input_errors
from edgekit.files import require_file
from edgekit.inputs.contract import InputContract, Pixels

MAX_FILE_BYTES = 256 << 20
YOUNG_NS = 2_000_000_000
"""A file changed less than so long ago may be changed once more without getting another time."""


def stamp_of(path: str, stat: os.stat_result) -> str:
    """A text that is another one when the file has changed; empty if it was changed so lately that it cannot tell."""
    if 0 <= time.time_ns() - stat.st_mtime_ns < YOUNG_NS:
        return ""
    return f"{stat.st_size} {stat.st_mtime_ns} {os.path.abspath(path)}"


def read_file(path: Path) -> bytes:
    """The bytes of an image file.

    Raises:
        DataError: it is missing, empty, not a file, larger than any photo is, or on a disk that fails.
    """
    size = require_file(path, DataError).stat().st_size
    if size > MAX_FILE_BYTES:
        raise DataError(f"{path} has {size:,} bytes, more than an image of at most {MAX_FILE_BYTES:,}; shrink it.")
    try:
        return path.read_bytes()
    except OSError as exc:
        raise DataError(f"{path} cannot be read ({exc.strerror}); copy it again, or remove it.") from exc


def prepare_image(path: Path, contract: InputContract) -> Pixels:
    """Any image file to the uint8 [H, W, C] that a model of ``contract`` was trained on.

    Raises:
        DataError: the file is no readable image, or shows no digit where the domain is digits.
    """
    with input_errors(DataError):
        return contract.read(read_file(path), str(path))
