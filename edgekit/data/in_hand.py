"""What a Python program has in hand, as a Dataset.

That is a Dataset; a pair ``(images, labels)``, in which labels may be None; images alone; a torch Dataset of (image,
label) items; ``(train, test)`` or ``(train, validation, test)`` of such, as Keras's ``load_data`` returns; or a mapping
of the names ``train``, ``validation`` and ``test`` to such. Arrays are as in an .npz file. A torch Dataset may give
pictures of Pillow instead, of any size if a contract says which one is wanted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgekit.console import progress
from edgekit.data.arrays import array_dataset
from edgekit.data.dataset import Dataset
from edgekit.data.splits import SPLITS, may_be_divided
from edgekit.errors import DataError, EdgekitError, input_errors
from edgekit.inputs.contract import InputContract


def dataset_of(value: Any, name: str, contract: InputContract | None = None) -> Dataset:
    """Make a Dataset of ``value``; ``name`` is what errors and results call it.

    Raises:
        DataError: it is nothing of the kinds above, or its arrays are not images and labels.
    """
    if isinstance(value, Dataset):
        return value
    parts = _parts(value)
    if parts is None:
        raise DataError(
            f"{name}: a {type(value).__name__} like this is no data; give a Dataset, arrays (images, labels), a torch "
            "Dataset of such items, or a mapping of train, validation and test to them."
        )
    pairs = {split: _pair(part, f"{name}, {split} split", contract) for split, part in parts.items()}
    classes = getattr(parts.get("train"), "classes", None)
    known = tuple(classes) if isinstance(classes, list | tuple) and all(isinstance(c, str) for c in classes) else None
    return array_dataset(name, pairs, known)


def _parts(value: Any) -> dict[str, Any] | None:
    """What there is of each split; None if it is nothing that is understood."""
    if isinstance(value, Mapping):
        known = may_be_divided(value) and set(value) <= set(SPLITS) and all(map(_is_part, value.values()))
        return dict(value) if known else None
    if _is_part(value):
        return {"train": value}
    if isinstance(value, tuple | list) and len(value) in (2, 3) and all(map(_is_part, value)):
        return dict(zip(("train", "test") if len(value) == 2 else SPLITS, value, strict=True))
    return None


def _is_part(value: Any) -> bool:
    return _is_pair(value) or _is_array(value) or _is_items(value)


def _is_pair(value: Any) -> bool:
    """True for (images, labels); labels have a rank of one or two, which other images have not."""
    if not isinstance(value, tuple | list) or len(value) != 2 or not _is_array(value[0]):
        return False
    return value[1] is None or np.ndim(value[1]) <= 2


def _is_array(value: Any) -> bool:
    return hasattr(value, "ndim")


def _is_items(value: Any) -> bool:
    """True for a torch Dataset that can be indexed, which is known by what it can do: torch is not imported here."""
    can = hasattr(value, "__getitem__") and hasattr(value, "__len__")
    return can and not isinstance(value, str | tuple | list | Mapping)


def _pair(part: Any, where: str, contract: InputContract | None) -> tuple[Any, Any]:
    if _is_pair(part):
        return (part[0], part[1])
    if _is_array(part):
        return (part, None)
    images, labels = [], []
    with progress(f"reading {where}", len(part)) as bar:
        for index in range(len(part)):
            image, label = _item(part, index, where)
            with input_errors(DataError, f"{where}: item {index}: "):
                images.append(_pixels(image, contract))
            labels.append(label)
            bar.update(index + 1)
    if len({image.shape for image in images}) > 1:
        raise DataError(f"{where} holds images of different sizes; resize them in the data set.")
    return (np.stack(images) if images else np.zeros((0, 1, 1), np.uint8), np.array(labels))


def _item(items: Any, index: int, where: str) -> tuple[Any, int]:
    try:
        image, label = items[index]
        return image, int(label)
    except EdgekitError:
        raise
    except Exception as exc:  # the user's own code raises what it likes
        reason = f"{type(exc).__name__}: {exc}"
        raise DataError(f"{where}: item {index} is no pair of an image and an integer label ({reason}).") from exc


def _pixels(image: Any, contract: InputContract | None) -> Any:
    """An array as it is, a picture of Pillow as a model of ``contract`` eats it."""
    if not hasattr(image, "getbands"):
        return np.asarray(image)
    from PIL import ImageOps

    from edgekit.inputs.decode import to_pixels

    pixels = to_pixels(ImageOps.exif_transpose(image))
    return pixels if contract is None else contract.fit(pixels)
