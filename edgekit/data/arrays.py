"""Arrays of images and labels, from an .npz file or a user's own code, to a Dataset."""

from __future__ import annotations

import zipfile
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.data.dataset import Dataset, Images, Labels, Split, content_sha256, divide, number_classes
from edgekit.data.splits import ALIASES, may_be_divided
from edgekit.errors import DataError
from edgekit.files import require_file, sha256_bytes

IMAGE_WORDS = ("x", "images", "image", "data")
LABEL_WORDS = ("y", "labels", "label", "targets")
CLASS_WORDS = ("classes", "classnames", "labelnames")
MAX_BYTES = 8 << 30
ARRAYS = (".npz", ".npy")

Array = NDArray[Any]


def open_npz(path: Path) -> Dataset:
    """Open an .npz file of uint8 images, or floats in [0, 1], and integer labels; nothing in it is unpickled.

    The arrays are called ``x_train, y_train, x_test, y_test``, ``train_images, train_labels, ...`` or, without
    splits, ``images, labels`` or ``x, y``; case and underscores do not matter. ``classes`` may hold the names. For an
    evaluation those for test suffice.

    Raises:
        DataError: the file is broken, too large, or holds no such arrays.
    """
    arrays = read_npz(path)
    by_name = {name.lower().replace("_", ""): array for name, array in arrays.items()}
    parts = {split: (by_name[key], _labels_beside(by_name, key)) for split, key in _image_keys(by_name).items()}
    if not may_be_divided(parts):
        raise DataError(
            f"{path} holds {', '.join(arrays) or 'no arrays'}, but images for training or test are needed; "
            "call the arrays x_train, y_train, x_test, y_test, or images, labels, or by the model's inputs."
        )
    return array_dataset(str(path), parts, named_classes(by_name, str(path)))


def named_classes(by_name: Mapping[str, Array], where: str) -> tuple[str, ...] | None:
    """The names of the classes, where one of these arrays holds them; ``where`` names these in errors.

    Raises:
        DataError: that array is no list.
    """
    names = next((by_name[word] for word in CLASS_WORDS if word in by_name), None)
    if names is not None and names.ndim != 1:
        raise DataError(f"{where}: the names of its classes are no list, but {names.shape}; give each class a name.")
    if names is None:
        return None
    return tuple(name.decode() if isinstance(name, bytes) else str(name) for name in names.tolist())


def array_dataset(name: str, parts: Mapping[str, tuple[Any, Any]], classes: tuple[str, ...] | None = None) -> Dataset:
    """A Dataset from (images, labels or None) of each split; class names are numbers where none are given.

    Images are [N, H, W], [N, H, W, C] or [N, C, H, W] with one or three channels.

    Raises:
        DataError: an array has another shape or type, labels are out of range, or the splits do not fit together.
    """
    splits = {split: _as_split(images, labels, f"{name}, {split} split") for split, (images, labels) in parts.items()}
    if len({split.images.shape[1:] for split in splits.values()}) > 1:
        raise DataError(f"{name} holds images of different sizes in its splits; make them equal.")
    if len({split.labels is None for split in splits.values()}) > 1:
        raise DataError(f"{name} has labels for some splits only; add the others or leave all out.")
    labels = splits["train" if "train" in splits else "test"].labels
    if classes is None:
        classes = () if labels is None else number_classes(labels, name)
    content = content_sha256(*(np.asarray(array) for part in parts.values() for array in part if array is not None))
    digest = content if set(parts) <= {"train", "test"} else sha256_bytes(f"{sorted(parts)} {content}".encode())
    return Dataset(name, classes, **divide(name, splits, classes), sha256=digest)


def _as_split(images: Any, labels: Any, where: str) -> Split:
    pixels = as_images(images, where)
    if labels is None:
        return Split(pixels)
    numbers = as_labels(labels, where)
    if len(numbers) != len(pixels):
        raise DataError(f"{where}: {len(pixels)} images have {len(numbers)} labels; give each image one label.")
    return Split(pixels, numbers)


def as_images(values: Any, where: str) -> Images:
    """Images of any accepted form as uint8 [N, H, W, C]; ``where`` names them in errors."""
    images = np.asarray(values)
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or (images.shape[3] not in (1, 3) and images.shape[1] not in (1, 3)):
        raise DataError(f"{where}: images of shape {images.shape} are not [N, H, W], [N, H, W, 1] or [N, H, W, 3].")
    if images.shape[3] not in (1, 3):
        images = images.transpose(0, 2, 3, 1)
    if 0 in images.shape:
        raise DataError(f"{where} holds no images; its shape is {images.shape}.")
    if not are_pixels(images):
        raise DataError(f"{where}: images must be uint8, or floats in [0, 1], and are {images.dtype}; convert them.")
    if images.dtype == np.uint8:
        return np.ascontiguousarray(images)
    return np.rint(images * np.float32(255)).astype(np.uint8)


def are_pixels(images: Array) -> bool:
    """True for bytes, and for floats in [0, 1]."""
    return images.dtype == np.uint8 or bool(images.dtype.kind == "f" and images.min() >= 0 and images.max() <= 1)


def as_labels(values: Any, where: str) -> Labels:
    """Integer labels of shape [N] or [N, 1] as int64 [N]."""
    labels = np.asarray(values)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise DataError(f"{where}: labels must be one integer per image, and are {labels.dtype} {labels.shape}.")
    return labels.astype(np.int64)


def read_npz(path: Path) -> dict[str, Array]:
    """The arrays of an .npz file by name; nothing in it is unpickled.

    Raises:
        DataError: it is missing, broken or too large, or an array holds Python objects.
    """
    require_file(path, DataError)
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > MAX_BYTES:
            raise DataError(f"{path} unpacks to {size:,} bytes; more than {MAX_BYTES:,} are not read.")
        arrays = {}
        with np.load(path, allow_pickle=False) as archive:
            for name in archive.files:
                try:
                    arrays[name] = archive[name]
                except ValueError as exc:
                    reason = "it holds Python objects" if "Object arrays" in str(exc) else str(exc).rstrip(".")
                    raise DataError(f"{path}: '{name}' cannot be read ({reason}); write an array of numbers.") from exc
        return arrays
    except DataError:
        raise
    except Exception as exc:  # zipfile, zlib and numpy raise whatever the broken bytes lead to
        raise DataError(f"{path} is not a readable .npz file ({str(exc).rstrip('.')}); write it again.") from exc


def read_npy(path: Path) -> Array:
    """The array of an .npy file, memory-mapped; nothing in it is unpickled.

    Raises:
        DataError: the file is missing or broken, or holds Python objects.
    """
    try:
        array: Array = np.load(require_file(path, DataError), mmap_mode="r", allow_pickle=False)
    except DataError:
        raise
    except Exception as exc:  # numpy raises whatever the broken bytes lead to
        if "Python objects" in str(exc):
            raise DataError(f"{path} holds Python objects; write an array of numbers.") from exc
        # Of what is no array at all numpy says how to unpickle it.
        reason = "" if "pickle" in str(exc) else f" ({str(exc).rstrip('.')})"
        raise DataError(f"{path} is not a readable array{reason}; write it with numpy.save.") from exc
    return array


def holds_images(names: Iterable[str]) -> bool:
    """True if arrays of these names are read as images."""
    return bool(_image_keys({name.lower().replace("_", "") for name in names}))


def _image_keys(by_name: Collection[str]) -> dict[str, str]:
    """For each split that the file has, the name of its images."""
    found = {}
    for split, aliases in ALIASES.items():
        candidates = [pair for word in IMAGE_WORDS for alias in aliases for pair in (word + alias, alias + word)]
        if split == "train":
            candidates += IMAGE_WORDS
        key = next((candidate for candidate in candidates if candidate in by_name), None)
        if key is not None:
            found[split] = key
    return found


def _labels_beside(by_name: Mapping[str, Array], image_key: str) -> Array | None:
    """The labels whose name differs from the images' by the word for labels alone."""
    for image_word in IMAGE_WORDS:
        for label_word in LABEL_WORDS:
            label_key = image_key.replace(image_word, label_word)
            if label_key != image_key and label_key in by_name:
                return by_name[label_key]
    return None
