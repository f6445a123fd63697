"""What every data source becomes: three splits of uint8 images with integer labels.

The test split is for the final figure only. The validation split chooses checkpoints, epochs and thresholds;
where a source has none, it is taken from the training data with a fixed seed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import DataError

VALIDATION_SEED = 20_240_229
VALIDATION_SHARE = 1 / 12

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]


class ImageArray(Protocol):
    """Indexable uint8 images [N, H, W, C]; an ndarray is one, a folder of photos decoded on demand another."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, indices: Any) -> Images: ...


@dataclass(frozen=True)
class Split:
    """Images with their labels (None if the source has none)."""

    images: ImageArray
    labels: Labels | None = None

    def __post_init__(self) -> None:
        if len(self.images.shape) != 4:
            raise DataError(f"Images must be [N, height, width, channels], but have shape {tuple(self.images.shape)}.")
        if self.labels is not None and len(self.labels) != len(self.images):
            raise DataError(f"{len(self.images)} images have {len(self.labels)} labels; give each image one label.")

    def __len__(self) -> int:
        return len(self.images)

    def batches(self, size: int, indices: NDArray[np.int64] | None = None) -> Iterator[tuple[Images, Labels | None]]:
        """Consecutive batches of ``size`` (the last may be smaller), of all images or of ``indices`` in order."""
        order = np.arange(len(self)) if indices is None else indices
        for start in range(0, len(order), size):
            chosen = order[start : start + size]
            yield self.images[chosen], None if self.labels is None else self.labels[chosen]

    def take(self, indices: NDArray[np.int64]) -> Split:
        """The given rows as a Split in memory."""
        return Split(self.images[indices], None if self.labels is None else self.labels[indices])

    def sample(self, count: int, seed: int) -> NDArray[np.int64]:
        """Sorted indices of ``count`` images drawn without replacement (all of them if there are fewer)."""
        if count >= len(self):
            return np.arange(len(self))
        return np.sort(np.random.default_rng(seed).choice(len(self), count, replace=False))


@dataclass(frozen=True)
class Dataset:
    """A data source, opened. ``sha256`` names its content: the key of every cache made from it."""

    name: str
    classes: tuple[str, ...]
    train: Split
    validation: Split
    test: Split
    sha256: str

    def __post_init__(self) -> None:
        for name in ("train", "validation", "test"):
            labels = getattr(self, name).labels
            if labels is None or len(labels) == 0:
                continue
            low, high = int(labels.min()), int(labels.max())
            if low < 0 or high >= len(self.classes):
                raise DataError(
                    f"{self.name}: the {name} labels run from {low} to {high}, but there are {len(self.classes)} "
                    f"classes (0 to {len(self.classes) - 1}); correct the labels or name the classes."
                )

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        _, height, width, channels = self.train.images.shape
        return (height, width, channels)


def split_validation(split: Split, share: float = VALIDATION_SHARE) -> tuple[Split, Split]:
    """Take a fixed, class-balanced share of the training data for validation: (train, validation), both in memory.

    The draw depends on the labels and VALIDATION_SEED alone, so every command sees the same split.
    """
    rng = np.random.default_rng(VALIDATION_SEED)
    labels = np.zeros(len(split), np.int64) if split.labels is None else split.labels
    chosen = np.zeros(len(split), bool)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        count = min(max(1, round(len(rows) * share)), len(rows) - 1) if len(rows) > 1 else 0
        chosen[rng.choice(rows, count, replace=False)] = True
    return split.take(np.flatnonzero(~chosen)), split.take(np.flatnonzero(chosen))


def content_sha256(*arrays: NDArray[Any]) -> str:
    """SHA-256 over the shapes, types and bytes of arrays."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
