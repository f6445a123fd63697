"""What every data source becomes: three splits of rows, as uint8 images or texts, with integer labels.

The test split is for the final figure only. The validation split chooses checkpoints, epochs and thresholds;
where a source has none, it is taken from the training data with a fixed seed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgekit.data.splits import SPLITS
from edgekit.errors import DataError

HELD_OUT = (("test", 1 / 6, 20_240_301), ("validation", 1 / 12, 20_240_229))
"""Splits that a source may lack: the share of the training images that is taken for it, one after the other, and the
seed of the draw. What caches are named after has these in it, so another way to draw needs other seeds."""
MAX_CLASSES = 100_000
KINDS = {1: "texts", 2: "samples", 4: "images"}
"""What rows are called, by the number of axes that they have together; a TensorArray has two."""

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]


class ImageArray(Protocol):
    """Indexable uint8 images [N, H, W, C]; an ndarray is one, a folder of photos decoded on demand another."""

    @property
    def shape(self) -> tuple[int, ...]:
        """[N, H, W, C]."""

    def __len__(self) -> int: ...

    def __getitem__(self, indices: Any) -> Images: ...


@dataclass(frozen=True)
class Rows:
    """An ImageArray of some rows of another."""

    images: ImageArray
    indices: NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, ...]:
        """[N, H, W, C]."""
        return (len(self.indices), *self.images.shape[1:])

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, rows: Any) -> Images:
        return self.images[self.indices[rows]]


@dataclass(frozen=True)
class Joined:
    """An ImageArray of the rows of one and then of another, of the same height, width and channels."""

    first: ImageArray
    second: ImageArray

    @property
    def shape(self) -> tuple[int, ...]:
        """[N, H, W, C]."""
        return (len(self), *self.first.shape[1:])

    def __len__(self) -> int:
        return len(self.first) + len(self.second)

    def __getitem__(self, indices: Any) -> Images:
        rows = np.arange(len(self))[indices]
        own = rows < len(self.first)
        parts = self.first[rows[own]], self.second[rows[~own] - len(self.first)]
        result = np.empty((len(rows), *self.shape[1:]), parts[0].dtype)
        result[own], result[~own] = parts
        return result


@dataclass(frozen=True)
class Split:
    """Images with their labels (None if the source has none).

    Texts are an array [N] of str. For a model of other inputs the images are its samples
    (``edgekit.data.tensors.TensorArray``), and labels may be float32 [N, ...]: what the outputs ought to be.
    """

    images: ImageArray
    labels: Labels | None = None

    def __post_init__(self) -> None:
        if len(self.images.shape) not in KINDS:
            raise DataError(f"Images must be [N, height, width, channels], but have shape {tuple(self.images.shape)}.")
        if self.labels is not None and len(self.labels) != len(self.images):
            raise DataError(f"{len(self.images)} images have {len(self.labels)} labels; give each image one label.")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def kind(self) -> str:
        """What its rows are called: ``images``, ``texts``, or ``samples`` of other inputs."""
        return KINDS[len(self.images.shape)]

    @property
    def holds_pictures(self) -> bool:
        """True for images, False for all else."""
        return self.kind == "images"

    def batches(self, size: int, indices: NDArray[np.int64] | None = None) -> Iterator[tuple[Images, Labels | None]]:
        """Consecutive batches of ``size`` (the last may be smaller), of all images or of ``indices`` in order."""
        order = np.arange(len(self)) if indices is None else indices
        for start in range(0, len(order), size):
            chosen = order[start : start + size]
            yield self.images[chosen], None if self.labels is None else self.labels[chosen]

    def take(self, indices: NDArray[np.int64]) -> Split:
        """The given rows as a Split: copied out of an array, or read from anything else when they are asked for."""
        if not isinstance(self.images, np.ndarray):
            return self.view(indices)
        return Split(self.images[indices], None if self.labels is None else self.labels[indices])

    def view(self, indices: NDArray[np.int64]) -> Split:
        """The given rows as a Split that reads them when they are asked for."""
        return Split(Rows(self.images, indices), None if self.labels is None else self.labels[indices])

    def sample(self, count: int, seed: int) -> NDArray[np.int64]:
        """Indices of at most ``count`` images, drawn without replacement.

        In random order, so that the first few are a fair sample too: many sources are sorted by class.
        """
        return np.random.default_rng(seed).permutation(len(self))[:count]


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
        for name in self.classes:
            # A folder's name may be bytes that are no text; model files, which carry the names, hold text only.
            if name != name.encode("utf-8", "replace").decode():
                raise DataError(f"{self.name}: the class name {name!r} is not valid text; rename the class.")
        for name in SPLITS:
            labels = getattr(self, name).labels
            if labels is None or len(labels) == 0 or labels.dtype.kind == "f":
                continue
            low, high = int(labels.min()), int(labels.max())
            if low < 0 or high >= len(self.classes):
                raise DataError(
                    f"{self.name}: the {name} labels run from {low} to {high}, but there are {len(self.classes)} "
                    f"classes (0 to {len(self.classes) - 1}); correct the labels or name the classes."
                )

    @property
    def kind(self) -> str:
        """What its rows are called; see ``Split``."""
        return self.train.kind

    @property
    def evaluation(self) -> tuple[str, Split]:
        """The split that gives the final figures, with its name: the test split, or the next best one that has images.

        Raises:
            DataError: there are none at all.
        """
        for name, split in (("test", self.test), ("validation", self.validation), ("train", self.train)):
            if len(split):
                return name, split
        raise DataError(f"{self.name} has no images at all; choose other data.")

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        _, height, width, channels = self.train.images.shape
        return (height, width, channels)


def divide(
    name: str, parts: Mapping[str, Split], classes: Sequence[str], contents: Sequence[str] | None = None
) -> dict[str, Split]:
    """Complete the splits that source ``name`` has (see ``splits.may_be_divided``) to train, validation and test.

    What is missing is held out of the training data: a sixth for a test split, then a twelfth for validation.
    Data without labels are for calibration alone and stay in the training split. A test split alone is for evaluation.
    ``contents`` tell the training rows apart by what they hold; see ``hold_out``.

    Raises:
        DataError: a class has too few images that some of it could be held out.
    """
    train = parts["train"] if "train" in parts else parts["test"].view(np.arange(0))
    if train.labels is None or len(train) == 0:
        nothing = train.view(np.arange(0))
        return {"train": train, "validation": nothing, "test": nothing, **parts}
    complete = dict(parts)
    missing = [item for item in HELD_OUT if item[0] not in parts]
    labels, counts = np.unique(train.labels, return_counts=True)
    # Where there is a test split, a class may be missing in validation: an evaluation does without it.
    if missing and (counts.max() if "test" in parts else counts.min()) <= len(missing):
        rare, wanted = class_called(classes, int(labels[counts.argmin()])), " and ".join(item[0] for item in missing)
        kind = train.kind
        raise DataError(
            f"{name} has too few {kind} of {rare} ({counts.min()}) to hold some out for {wanted}; "
            f"add {kind}, to {len(missing) + 1} at least, or remove the class."
        )
    rows = np.arange(len(train))
    for number, (split, share, seed) in enumerate(missing):
        own = None if contents is None else [contents[row] for row in rows.tolist()]
        held = hold_out(train.labels[rows], share, seed, own, keep=len(missing) - number)
        complete[split], rows = train.take(rows[held]), rows[~held]
    return {**complete, "train": train.take(rows) if missing else train}


def class_called(classes: Sequence[str], label: int) -> str:
    """What an error calls a class; a label may be none of them."""
    return f"class '{classes[label]}'" if 0 <= label < len(classes) else f"class {label}"


def hold_out(
    labels: Labels, share: float, seed: int, contents: Sequence[str] | None = None, keep: int = 1
) -> NDArray[np.bool_]:
    """Which rows of these labels [N] are the share of each class that is held out: for every command the same.

    Without ``contents`` the draw depends on the labels and the seed alone. With them it depends on what each row
    holds, so that rows that are added change nothing for the others of a class of some dozens, and equal ones come
    together; what makes up more than the share of its class is learned. At least one row of a class is held out where
    it has two, and ``keep`` are kept.
    """
    rng = np.random.default_rng(seed)
    chosen = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        most = len(rows) - keep
        if contents is not None:
            places = [_place(contents[row], seed) for row in rows.tolist()]
            distinct, group, counts = np.unique(places, return_inverse=True, return_counts=True)
            rare = np.flatnonzero(counts <= min(max(1, share * len(rows)), most))
            low = rare[distinct[rare] < share]
            held = low[np.cumsum(counts[low]) <= most]
            chosen[rows] = np.isin(group, held if len(held) else rare[:1])
        if not chosen[rows].any():
            count = min(max(1, round(len(rows) * share)), len(rows) - 1) if len(rows) > 1 else 0
            chosen[rng.choice(rows, count, replace=False)] = True
    return chosen


def _place(content: str, seed: int) -> float:
    """Of a content in [0, 1), by chance."""
    digest = hashlib.blake2b(content.encode("utf-8", "surrogatepass"), digest_size=6, key=b"%d" % seed).digest()
    return int.from_bytes(digest) / 2**48


def number_classes(labels: Labels, name: str) -> tuple[str, ...]:
    """Names for the classes of unnamed integer labels: "0" up to the largest.

    Raises:
        DataError: a label is negative, or too large to number a class.
    """
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= MAX_CLASSES:
        raise DataError(
            f"{name}: labels run from {low} to {high}; number the classes from 0 (at most {MAX_CLASSES:,})."
        )
    return tuple(str(label) for label in range(high + 1))


def require_shape(dataset: Dataset, shape: tuple[int, int, int]) -> Dataset:
    """Return ``dataset`` if its images have ``shape`` (H, W, C).

    Raises:
        DataError: they have another one.
    """
    if dataset.image_shape != shape:
        held, needed = ("x".join(map(str, item)) for item in (dataset.image_shape, shape))
        raise DataError(f"{dataset.name} holds {held} images and the model needs {needed}; name such with --data.")
    return dataset


def content_sha256(*arrays: NDArray[Any]) -> str:
    """SHA-256 over the shapes, types and bytes of arrays."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
