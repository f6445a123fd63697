"""Image files to uint8 pixels, and pixels to what an input contract asks for: ``edgekit.inputs`` for paths."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgekit.artifact import InputContract
from edgekit.errors import DataError
from edgekit.files import require_file
from edgekit.inputs import decode, fit
from edgekit.inputs.decode import READABLE, Pixels
from edgekit.inputs.error import PictureError

# Those that are not readable are here so that such photos are refused by name, not left out without a word.
SUFFIXES = frozenset((*READABLE, ".heic", ".heif", ".avif", ".jxl"))
MAX_FILE_BYTES = 256 << 20


def read_image(path: Path) -> Pixels:
    """Decode an image file: uint8 [H, W, 1] if it is grey, [H, W, 3] (RGB) otherwise; see ``decode_image``."""
    return decode_image(read_file(path), str(path))


def read_file(path: Path) -> bytes:
    """The bytes of an image file.

    Raises:
        DataError: it is missing, empty, not a file, or larger than any photo is.
    """
    size = require_file(path, DataError).stat().st_size
    if size > MAX_FILE_BYTES:
        raise DataError(f"{path} has {size:,} bytes, more than an image of at most {MAX_FILE_BYTES:,}; shrink it.")
    return path.read_bytes()


def decode_image(data: bytes, name: str) -> Pixels:
    """``pictures.decode.decode_image``.

    Raises:
        DataError: it is no image, broken, or too large.
    """
    with _data_errors():
        return decode.decode_image(data, name)


def to_photo(image: Pixels, shape: tuple[int, int, int]) -> Pixels:
    """``pictures.fit.to_photo``.

    Raises:
        DataError: ``shape`` has neither one channel nor three.
    """
    with _data_errors():
        return fit.to_photo(image, shape)


def prepare_image(path: Path, contract: InputContract) -> Pixels:
    """Any image file to the uint8 [H, W, C] that a model of ``contract`` was trained on.

    Raises:
        DataError: the file is no readable image, or shows no digit where the domain is digits.
    """
    image = read_image(path)
    with _data_errors(f"{path}: "):
        return fit.fit(image, contract.shape, contract.domain)


@contextmanager
def _data_errors(prefix: str = "") -> Iterator[None]:
    try:
        yield
    except PictureError as exc:
        raise DataError(f"{prefix}{exc}") from exc
