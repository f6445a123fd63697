"""The names under which data sources keep their splits, and which files are of one."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from edgekit.errors import DataError

ALIASES = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing"),
}
SPLITS = tuple(ALIASES)


def split_called(name: str) -> str | None:
    """The split (``train``, ``validation`` or ``test``) that ``name`` stands for, in any case; None if none."""
    return next((split for split, names in ALIASES.items() if name.lower() in names), None)


def may_be_divided(parts: Collection[str]) -> bool:
    """Whether the splits of a source suffice for something: training, or an evaluation alone."""
    return "train" in parts or "test" in parts


def split_files(folder: Path, suffixes: Sequence[str]) -> dict[str, list[Path]]:
    """The files of a folder by the splits that they are named after, as in ``train-00000-of-00002.parquet``.

    Raises:
        DataError: one is named after no split, or there is neither one for training nor one for test.
    """
    found: dict[str, list[Path]] = {}
    for file in sorted(path for path in folder.iterdir() if path.suffix in suffixes):
        split = split_called(re.split(r"[-_.]", file.name)[0])
        if split is None:
            raise DataError(f"{file} is named after no split; call it train..., validation... or test....")
        found.setdefault(split, []).append(file)
    if not may_be_divided(found):
        raise DataError(f"{folder} has neither train*{suffixes[0]} nor test*{suffixes[0]}; add one, or name one file.")
    return found
