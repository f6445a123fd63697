"""Files of images and texts: their bytes, and what a model eats of them."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from edgekit.errors import DataError, input_errors
from edgekit.files import require_file
from edgekit.inputs.contracts import Contract

MAX_FILE_BYTES = 256 << 20
YOUNG_NS = 2_000_000_000
"""A file changed less than so long ago may be changed once more without getting another time."""


def stamp_of(path: str, stat: os.stat_result) -> str:
    """A text that is another one when the file has changed; empty if it was changed so lately that it cannot tell."""
    if 0 <= time.time_ns() - stat.st_mtime_ns < YOUNG_NS:
        return ""
    return f"{stat.st_size} {stat.st_mtime_ns} {os.path.abspath(path)}"


def read_file(path: Path) -> bytes:
    """The bytes of an image or text file.

    Raises:
        DataError: it is missing, empty, not a file, larger than any photo is, or on a disk that fails.
    """
    size = require_file(path, DataError).stat().st_size
    if size > MAX_FILE_BYTES:
        raise DataError(f"{path} has {size:,} bytes, more than the {MAX_FILE_BYTES:,} that are read; shrink it.")
    try:
        return path.read_bytes()
    except OSError as exc:
        raise DataError(f"{path} cannot be read ({exc.strerror}); copy it again, or remove it.") from exc


def prepare(path: Path, contract: Contract) -> Any:
    """A file as the row that a model of ``contract`` was trained on: an image as uint8 [H, W, C], a text as str.

    Raises:
        DataError: the file is no readable image or text, or shows no digit where the domain is digits.
    """
    with input_errors(DataError):
        return contract.read(read_file(path), str(path))
