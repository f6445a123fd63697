"""Encoded images of any usual form and mode to uint8 pixels."""

from __future__ import annotations

import io
import math
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from .error import InputError

Pixels = NDArray[np.uint8]
ORIENTATION = 0x0112  # of EXIF

# Decoders that are pure and common, and the suffixes of their files. Pillow knows others that start programs (EPS) or
# open further files.
FORMATS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png",),
    "WEBP": (".webp",),
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pbm"),
}
READABLE = tuple(suffix for suffixes in FORMATS.values() for suffix in suffixes)
# Pictures that are not readable are known too, so that they are refused by name, not left out without a word.
PICTURES = frozenset((*READABLE, ".heic", ".heif", ".avif", ".jxl"))


def decode_image(data: bytes, name: str) -> Pixels:
    """Decode an image from bytes as a viewer shows it: uint8 [H, W, 1] if it is grey, [H, W, 3] (RGB) otherwise.

    The EXIF rotation is applied, the first frame of an animation taken, transparency laid on white, 16 bits are
    scaled to 8. ``name`` is what error messages call the image.

    Raises:
        InputError: it is no image, truncated, of a form that is not supported, or more pixels than Pillow's limit
            against decompression bombs (about 89 million).
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"PIL\.")
            warnings.simplefilter("error", Image.DecompressionBombWarning)  # the filter added last counts first
            with Image.open(io.BytesIO(data), formats=tuple(FORMATS)) as image:
                image.seek(0)
                # Asked again, since another thread may have changed the filters.
                if image.width * image.height > (Image.MAX_IMAGE_PIXELS or math.inf):
                    raise Image.DecompressionBombError(f"{image.width}x{image.height}")
                # Which copies, also where there is nothing to turn.
                return to_pixels(ImageOps.exif_transpose(image) if image.getexif().get(ORIENTATION, 1) != 1 else image)
    except UnidentifiedImageError as exc:
        raise InputError(f"{name} is not an image of a known form; save it as JPEG or PNG, or remove it.") from exc
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as exc:
        raise InputError(f"{name} unpacks to more pixels than are safe ({exc}); shrink it, or remove it.") from exc
    except MemoryError as exc:
        raise InputError(f"{name} needs more memory than there is; shrink it, or remove it.") from exc
    except Exception as exc:  # Pillow raises whatever the broken bytes lead to
        raise InputError(f"{name} cannot be decoded ({str(exc).rstrip('.')}); replace it, or remove it.") from exc


def to_pixels(image: Image.Image) -> Pixels:
    """A picture of Pillow's in any mode: uint8 [H, W, 1] if it is grey, [H, W, 3] otherwise.

    Raises:
        InputError: its pixels are floating-point numbers.
    """
    if image.mode == "F":
        raise InputError("its pixels are floating-point numbers; save it with 8 bits a channel.")
    if image.mode.startswith("I"):
        return _from_16_bit(np.asarray(image))
    if _is_transparent(image):
        image = image if image.mode == "RGBA" else image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        image = image.convert("RGB")
    elif image.mode == "1":
        image = image.convert("L")
    elif image.mode not in ("L", "RGB"):
        image = image.convert("RGB")
    pixels = np.array(image, np.uint8)
    return pixels.reshape(*pixels.shape[:2], -1)


def _is_transparent(image: Image.Image) -> bool:
    """Pillow's own ``has_transparency_data`` is missing before 10.1, which Debian 12 has."""
    palette = image.palette.mode if image.mode == "P" and image.palette else ""
    return image.mode.endswith(("A", "a")) or palette.endswith("A") or "transparency" in image.info


def _from_16_bit(values: NDArray[Any]) -> Pixels:
    """Grey values of 0 to 65535 to uint8 [H, W, 1]; 65535 becomes 255."""
    wide: NDArray[np.uint32] = np.clip(values, 0, 65_535).astype(np.uint32)
    wide += 128
    wide //= 257
    return wide.astype(np.uint8)[..., None]
