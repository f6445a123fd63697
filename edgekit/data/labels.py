"""Labels of a table's column, numbers or names, as the numbers of classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.data.dataset import MAX_CLASSES, Labels, number_classes
from edgekit.errors import DataError, UnknownNameError

LABEL_WORDS = ("label", "labels", "class", "target", "fine_label", "category", "sentiment")


NO_LABEL = "has no label"


def is_missing(label: Any) -> bool:
    """Whether a cell of a column of labels is empty."""
    return label is None or (isinstance(label, str) and not label.strip())


@dataclass(frozen=True)
class Column:
    """The labels of a split as they are found, None if it has none; ``names`` are those of the classes, where said."""

    labels: Sequence[Any] | None
    names: tuple[str, ...] | None = None


def numbered(parts: Mapping[str, Column], source: str) -> tuple[tuple[str, ...], dict[str, Labels | None]]:
    """The names of the classes, and the labels int64 [N] of each split.

    Classes are called as described, or as the sorted labels where those are names; otherwise by their numbers.

    Raises:
        DataError: only some of the splits have labels, or a label is no class.
    """
    if len({part.labels is None for part in parts.values()}) > 1:
        raise DataError(f"{source} has labels for some splits only; add the others or leave all out.")
    first = parts["train" if "train" in parts else "test"]
    if first.labels is None:
        return (), dict.fromkeys(parts)
    for split, part in parts.items():
        for row, label in enumerate(part.labels or ()):
            if is_missing(label):
                raise DataError(f"{source}, {split} split: row {row} {NO_LABEL}; give it one, or remove the row.")
    classes = first.names
    if classes is None and all(isinstance(label, str) for label in first.labels):
        classes = tuple(sorted(set(first.labels)))
    if classes is None:
        classes = number_classes(_numbers(first.labels, (), source), source)
    wheres = {split: f"{source}, {split} split" for split in parts}
    return classes, {split: _numbers(part.labels or (), classes, wheres[split]) for split, part in parts.items()}


def said_column(name: str, names: Sequence[str], path: Path) -> str | None:
    """A column that the user has named; None if he has not.

    Raises:
        UnknownNameError: the table has none of that name.
    """
    if name and name not in names:
        raise UnknownNameError(f"column of {path}", name, names)
    return name or None


def _numbers(labels: Sequence[Any], classes: Sequence[str], where: str) -> Labels:
    """Labels as int64 [N], names by their place in ``classes``."""
    places = {name: index for index, name in enumerate(classes)}
    numbers = [places.get(label) if isinstance(label, str) else label for label in labels]
    for row, number in enumerate(numbers):
        if not isinstance(number, int) or not 0 <= number < MAX_CLASSES:
            raise DataError(
                f"{where}: row {row} has the label {labels[row]!r}, which is no class; correct that column."
            )
    return np.array(numbers, np.int64)
