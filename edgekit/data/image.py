"""Image files of any usual mode and size to uint8 pixels, and pixels to what a model's input contract asks for."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgekit.artifact import InputContract
from edgekit.data.digit import DIGIT_SIZE, to_digit
from edgekit.errors import DataError
from edgekit.files import require_file

if TYPE_CHECKING:
    from PIL.Image import Image

Pixels = NDArray[np.uint8]

# Decoders that are pure and common. Pillow knows others that start programs (EPS) or open further files.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
READABLE = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm")
# The others are here so that such photos are refused by name, not left out without a word.
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
    """Decode an image from bytes as a viewer shows it: uint8 [H, W, 1] if it is grey, [H, W, 3] (RGB) otherwise.

    The EXIF rotation is applied, the first frame of an animation taken, transparency laid on white, 16 bits are
    scaled to 8. ``name`` is what error messages call the image.

    Raises:
        DataError: it is no image, truncated, of a form that is not supported, or more pixels than Pillow's limit
            against decompression bombs (about 89 million).
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"PIL\.")
            warnings.simplefilter("error", Image.DecompressionBombWarning)  # the filter added last counts first
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                image.seek(0)
                return _to_array(ImageOps.exif_transpose(image))
    except UnidentifiedImageError as exc:
        raise DataError(f"{name} is not an image of a known form; save it as JPEG or PNG, or remove it.") from exc
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as exc:
        raise DataError(f"{name} unpacks to more pixels than are safe ({exc}); shrink it, or remove it.") from exc
    except Exception as exc:  # Pillow raises whatever the broken bytes lead to
        raise DataError(f"{name} cannot be decoded ({str(exc).rstrip('.')}); replace it, or remove it.") from exc


def _to_array(image: Image) -> Pixels:
    from PIL import Image

    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers; save it with 8 bits a channel")
    if image.mode.startswith("I"):
        return _from_16_bit(np.asarray(image))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    elif image.mode == "1":
        image = image.convert("L")
    elif image.mode != "L":
        image = image.convert("RGB")
    pixels = np.array(image, np.uint8)
    return pixels.reshape(*pixels.shape[:2], -1)


def _from_16_bit(values: NDArray[Any]) -> Pixels:
    """Grey values of 0 to 65535 to uint8 [H, W, 1]; 65535 becomes 255."""
    wide = np.clip(values.astype(np.int64), 0, 65_535)
    return ((wide + 128) // 257).astype(np.uint8)[..., None]


def to_photo(image: Pixels, shape: tuple[int, int, int]) -> Pixels:
    """Fit a photo uint8 [h, w, c] to ``shape`` (H, W, C).

    The largest centred rectangle of the wanted aspect ratio is cut out and resized with an antialiased bilinear
    filter, so nothing is stretched: torchvision's ``Resize`` and ``CenterCrop`` without a margin. Colour becomes
    grey as ITU-R 601 luma, grey becomes colour by repetition.

    Raises:
        DataError: ``shape`` has neither one channel nor three.
    """
    from PIL import Image

    height, width, channels = shape
    if image.shape == shape:
        return image
    if channels not in (1, 3):
        raise DataError(f"A photo has 1 or 3 channels and {channels} are wanted; use a model of grey or colour images.")
    picture = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
    picture = picture.convert("L" if channels == 1 else "RGB")
    scale = min(picture.width / width, picture.height / height)
    # Rounding must not make the rectangle larger than the picture: Pillow refuses that.
    cut_width, cut_height = min(scale * width, picture.width), min(scale * height, picture.height)
    left, top = (picture.width - cut_width) / 2, (picture.height - cut_height) / 2
    box = (left, top, left + cut_width, top + cut_height)
    resized = picture.resize((width, height), Image.Resampling.BILINEAR, box=box)
    return np.array(resized, np.uint8).reshape(shape)


def prepare_image(path: Path, contract: InputContract) -> Pixels:
    """Any image file to the uint8 [H, W, C] that a model of ``contract`` was trained on.

    Raises:
        DataError: the file is no readable image, or shows no digit where the domain is digits.
    """
    image = read_image(path)
    if contract.domain == "photo":
        return to_photo(image, contract.shape)
    try:
        digit = to_digit(image)
    except DataError as exc:
        raise DataError(f"{path}: {exc}") from exc
    if contract.shape == (DIGIT_SIZE, DIGIT_SIZE, 1):
        return digit
    return to_photo(digit, contract.shape)
