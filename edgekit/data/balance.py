"""Classes of very different size: said aloud before training, and what a loss weighs them by."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from edgekit.console import Warn
from edgekit.data.dataset import Dataset, Labels

UNEVEN = 20
"""So many times the images of the rarest class are worth a remark."""


def class_weights(labels: Labels, classes: int) -> NDArray[np.float32]:
    """float32 [classes]: what each class's images count, so that every class counts alike and an image 1 on average.

    A class without images has the weight 0.
    """
    counts = np.bincount(labels, minlength=classes)
    share = len(labels) / np.count_nonzero(counts)
    return np.divide(share, counts, out=np.zeros(classes), where=counts > 0).astype(np.float32)


def is_even(labels: Labels) -> bool:
    """Whether the classes that have images have similar numbers of them."""
    counts = np.bincount(labels)
    return bool(counts.max() < UNEVEN * counts[counts > 0].min())


def remarks_on_balance(data: Dataset) -> Iterator[Warn]:
    """What a person should know of the sizes of classes before a network learns them."""
    counts = {
        name: np.bincount(split.labels, minlength=len(data.classes))
        for name, split in (("training", data.train), ("validation", data.validation), ("test", data.test))
        if split.labels is not None and len(split)
    }
    for name, found in counts.items():
        if not found.all():
            yield Warn(
                f"{data.name} has no {name} {data.kind} of the class '{data.classes[int(found.argmin())]}'; add some."
            )
    found = counts["training"]
    most, least = int(found.argmax()), int(np.where(found > 0, found, found.max()).argmin())
    if data.train.labels is not None and not is_even(data.train.labels):
        yield Warn(
            f"{data.name} is uneven: {found[most]:,} training {data.kind} of '{data.classes[most]}', but "
            f"{found[least]:,} of '{data.classes[least]}'; a rare class is learned badly, so add {data.kind} of it."
        )
