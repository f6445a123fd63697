"""Parquet files with a column of encoded images and one of labels, as the Hugging Face hub keeps image data."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.data.dataset import MAX_CLASSES, Dataset, Labels, number_classes
from edgekit.data.photos import EncodedImage, EncodedSplit, photo_dataset
from edgekit.data.splits import split_called
from edgekit.errors import DataError
from edgekit.files import require_file
from edgekit.inputs.contract import InputContract

if TYPE_CHECKING:
    import pyarrow

LABEL_WORDS = ("label", "labels", "class", "target", "fine_label", "category")
MAX_BYTES = 8 << 30


@dataclass(frozen=True)
class _Rows:
    """One file: encoded images, and labels that are numbers, names, or absent."""

    images: tuple[EncodedImage, ...]
    labels: tuple[int | str, ...] | None
    class_names: tuple[str, ...] | None


def open_parquet(path: Path, contract: InputContract | None = None) -> Dataset:
    """Open a .parquet file, or a folder of them named after their splits (``train-00000-of-00002.parquet``).

    The image column is binary, or a struct with a binary field ``bytes``; the label column holds integers or
    names. Class names are taken from the file's Hugging Face description where it has one. The encoded images stay
    in memory, their pixels are decoded on demand.

    Raises:
        DataError: a file is broken, has no image column, or labels that cannot be used.
    """
    parts = {split: _joined([_read(file) for file in files]) for split, files in _files(path).items()}
    classes = _classes(parts, path)
    splits = {}
    for split, rows in parts.items():
        labels = None if rows.labels is None else _numbered(rows.labels, classes, f"{path}, {split} split")
        splits[split] = EncodedSplit(rows.images, labels)
    return photo_dataset(path.resolve().name, classes, splits, contract)


def _files(path: Path) -> dict[str, list[Path]]:
    """The files of each split."""
    if not path.is_dir():
        return {"train": [path]}
    found: dict[str, list[Path]] = {}
    for file in sorted(path.glob("*.parquet")):
        split = split_called(re.split(r"[-_.]", file.name)[0])
        if split is None:
            raise DataError(f"{file} is named after no split; call it train..., validation... or test....")
        found.setdefault(split, []).append(file)
    if "train" not in found:
        raise DataError(f"{path} has no train*.parquet; add it, or name one file.")
    return found


def _read(path: Path) -> _Rows:
    try:
        import pyarrow
        from pyarrow import parquet
    except ModuleNotFoundError as exc:
        raise DataError(f"{path} needs pyarrow to be read; run: pip install 'edgekit[parquet]'.") from exc

    require_file(path, DataError)
    try:
        with parquet.ParquetFile(path) as file:
            schema = file.schema_arrow
            image_column = _image_column(schema, path)
            label_column = _label_column(schema)
            size = sum(file.metadata.row_group(group).total_byte_size for group in range(file.num_row_groups))
            if size > MAX_BYTES:
                raise DataError(f"{path} unpacks to {size:,} bytes; more than {MAX_BYTES:,} are not read.")
            table = file.read(columns=[name for name in (image_column, label_column) if name])
    except (pyarrow.ArrowException, OSError, MemoryError) as exc:
        reason = str(exc).splitlines()[0].rstrip(".")
        raise DataError(f"{path} is not a readable parquet file ({reason}); download it again.") from exc
    column = table.column(image_column)
    images = tuple(
        EncodedImage(f"{path} row {row}", partial(_encoded, column, row, path)) for row in range(len(column))
    )
    if not images:
        raise DataError(f"{path} has no rows; give a file with images.")
    if label_column is None:
        return _Rows(images, None, None)
    return _Rows(images, tuple(table.column(label_column).to_pylist()), _hub_class_names(schema, label_column))


def _image_column(schema: pyarrow.Schema, path: Path) -> str:
    """The first column of encoded images."""
    from pyarrow import types

    for field in schema:
        kind = field.type
        if types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
            kind = kind.field("bytes").type
        if types.is_binary(kind) or types.is_large_binary(kind):
            return str(field.name)
    columns = ", ".join(f"{field.name} ({field.type})" for field in schema)
    raise DataError(f"{path} has no column of encoded images, only {columns}; give data with image bytes.")


def _label_column(schema: pyarrow.Schema) -> str | None:
    """The column of labels: one of the usual names, otherwise the first of integers; None if there is none."""
    from pyarrow import types

    by_word = [word for word in LABEL_WORDS if word in schema.names]
    integers = [field.name for field in schema if types.is_integer(field.type)]
    return next(iter(by_word + integers), None)


def _hub_class_names(schema: pyarrow.Schema, column: str) -> tuple[str, ...] | None:
    """The names in the description that Hugging Face's datasets library writes into the schema."""
    try:
        description = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        names = description["info"]["features"][column]["names"]
        return tuple(map(str, names))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _encoded(column: pyarrow.ChunkedArray, row: int, path: Path) -> bytes:
    value: Any = column[row].as_py()
    if isinstance(value, dict):
        value = value["bytes"]
    if not value:
        raise DataError(f"{path} row {row} has no image bytes; embed the images in the file.")
    return bytes(value)


def _joined(rows: Sequence[_Rows]) -> _Rows:
    """The shards of one split as one."""
    images = tuple(image for part in rows for image in part.images)
    if any(part.labels is None for part in rows):
        return _Rows(images, None, None)
    labels = tuple(label for part in rows for label in part.labels or ())
    return _Rows(images, labels, rows[0].class_names)


def _classes(parts: dict[str, _Rows], path: Path) -> tuple[str, ...]:
    """The class names: the described ones, the sorted labels where they are names, otherwise numbers."""
    train = parts["train"]
    if len({rows.labels is None for rows in parts.values()}) > 1:
        raise DataError(f"{path} has labels for some splits only; add the others or leave all out.")
    if train.labels is None:
        return ()
    if train.class_names is not None:
        return train.class_names
    if all(isinstance(label, str) for label in train.labels):
        return tuple(sorted({str(label) for label in train.labels}))
    return number_classes(_numbered(train.labels, (), str(path)), str(path))


def _numbered(labels: Sequence[int | str], classes: Sequence[str], where: str) -> Labels:
    """Labels as int64 [N], names by their place in ``classes``."""
    places = {name: index for index, name in enumerate(classes)}
    numbers = [places.get(label) if isinstance(label, str) else label for label in labels]
    for row, number in enumerate(numbers):
        if not isinstance(number, int) or not 0 <= number < MAX_CLASSES:
            raise DataError(
                f"{where}: row {row} has the label {labels[row]!r}, which is no class; correct that column."
            )
    return np.array(numbers, np.int64)
