"""Parquet files with a column of encoded images and one of labels, as the Hugging Face hub keeps image data."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.console import say
from edgekit.data.dataset import Dataset
from edgekit.data.decoding import Sent
from edgekit.data.files import stamp_of
from edgekit.data.labels import LABEL_WORDS, Column, numbered, said_column
from edgekit.data.photos import EncodedSplit, photo_dataset
from edgekit.data.reading import STRICT, Reading
from edgekit.data.splits import split_files
from edgekit.errors import DataError
from edgekit.extras import install
from edgekit.files import require_file
from edgekit.inputs.contract import InputContract

if TYPE_CHECKING:
    import pyarrow
    from pyarrow.parquet import ParquetFile

MAX_BYTES = 4 << 30
"""Of a row group, which is in memory while its images are read."""


class _Column:
    """The column of images of one file, of which one row group at a time is in memory."""

    def __init__(self, path: Path, name: str, groups: Sequence[int]) -> None:
        self.path, self.name = path, name
        stat = path.stat()
        self.stamp = stamp_of(str(path), stat)
        self.size = stat.st_size // max(1, sum(groups))
        self._ends = np.cumsum(groups)
        self._read: tuple[int, Any] = (-1, None)

    def cell(self, row: int) -> Any:
        """The value of a row.

        Raises:
            DataError: the file is broken there.
        """
        group = int(np.searchsorted(self._ends, row, "right"))
        known, cells = self._read
        if known != group:
            with opened(self.path) as file:
                cells = file.read_row_group(group, [self.name]).column(0)
            self._read = (group, cells)
        return cells[row - int(self._ends[group])].as_py()  # counted from the group's end


@dataclass(frozen=True, slots=True)
class _Photo:
    """A row as an EncodedImage."""

    column: _Column
    row: int

    @property
    def name(self) -> str:
        """The file and the row."""
        return f"{self.column.path} row {self.row}"

    @property
    def stamp(self) -> str:
        """That of the file, and the row."""
        return f"{self.column.stamp} {self.row}" if self.column.stamp else ""

    @property
    def size(self) -> int:
        """The average of the file."""
        return self.column.size

    def read(self) -> bytes:
        """Its bytes; none where the row has none."""
        value = self.column.cell(self.row)
        return bytes((value["bytes"] if isinstance(value, dict) else value) or b"")

    def sent(self) -> Sent:
        """Its bytes, since a process of its own would have to read the whole row group."""
        return np.frombuffer(self.read(), np.uint8)


@dataclass(frozen=True)
class _Rows:
    """One file: encoded images and their labels."""

    images: tuple[_Photo, ...]
    column: Column


def open_parquet(path: Path, contract: InputContract | None = None, reading: Reading = STRICT) -> Dataset:
    """Open a .parquet file, or a folder of them named after their splits (``train-00000-of-00002.parquet``).

    The image column is binary, or a struct with a binary field ``bytes``; the label column holds integers or
    names. Class names are taken from the file's Hugging Face description where it has one. Images are read one row
    group at a time.

    Raises:
        DataError: a file is broken, has no image column, or labels that cannot be used.
    """
    parts = {split: _joined([_read(file, reading) for file in files]) for split, files in _files(path).items()}
    classes, labels = numbered({split: rows.column for split, rows in parts.items()}, str(path))
    splits = {split: EncodedSplit(rows.images, labels[split]) for split, rows in parts.items()}
    return photo_dataset(path, classes, splits, contract, reading)


def _files(path: Path) -> dict[str, list[Path]]:
    """The files of each split."""
    return split_files(path, (".parquet",)) if path.is_dir() else {"train": [path]}


@contextmanager
def opened(path: Path) -> Iterator[ParquetFile]:
    """An open file; what is wrong with it becomes a DataError."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ModuleNotFoundError as exc:
        raise DataError(f"{path} needs pyarrow to be read; run: {install('parquet')}") from exc

    require_file(path, DataError)
    try:
        with parquet.ParquetFile(path) as file:
            yield file
    except (pyarrow.ArrowException, OSError, MemoryError) as exc:
        reason = str(exc).splitlines()[0].rstrip(".")
        raise DataError(f"{path} is not a readable parquet file ({reason}); download it again.") from exc


def _read(path: Path, reading: Reading) -> _Rows:
    with opened(path) as file:
        schema = file.schema_arrow
        image_column, label_column = _image_column(schema, path), _label_column(schema, path, reading)
        groups = [file.metadata.row_group(group) for group in range(file.num_row_groups)]
        size = max((group.total_byte_size for group in groups), default=0)
        if size > MAX_BYTES:
            raise DataError(
                f"{path} has a row group of {size:,} bytes; more than {MAX_BYTES:,} are not read, so write it in parts."
            )
        rows = [group.num_rows for group in groups]
        labels = file.read([label_column]).column(0).to_pylist() if label_column else None
    column = _Column(path, image_column, rows)
    images = tuple(_Photo(column, row) for row in range(sum(rows)))
    if not images:
        raise DataError(f"{path} has no rows; give a file with images.")
    if label_column is None:
        return _Rows(images, Column(None))
    return _Rows(images, Column(labels, hub_class_names(schema, label_column)))


def holds_images(path: Path) -> bool:
    """True if a table has a column of encoded images.

    Raises:
        DataError: it is no readable table.
    """
    with opened(path) as file:
        return _encoded(file.schema_arrow) is not None


def _image_column(schema: pyarrow.Schema, path: Path) -> str:
    """The first column of encoded images."""
    name = _encoded(schema)
    if name is None:
        columns = ", ".join(f"{field.name} ({field.type})" for field in schema)
        raise DataError(f"{path} has no column of encoded images, only {columns}; give data with image bytes.")
    return name


def _encoded(schema: pyarrow.Schema) -> str | None:
    from pyarrow import types

    for field in schema:
        kind = field.type
        if types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
            kind = kind.field("bytes").type
        if types.is_binary(kind) or types.is_large_binary(kind):
            return str(field.name)
    return None


def _label_column(schema: pyarrow.Schema, path: Path, reading: Reading) -> str | None:
    """The column of labels: that which was said, or one of the usual names, or the first of integers; None if none."""
    from pyarrow import types

    if said := said_column(reading.label_column, schema.names, path):
        return said
    by_word = [word for word in LABEL_WORDS if word in schema.names]
    integers = [field.name for field in schema if types.is_integer(field.type)]
    if not by_word and integers:
        say(f"{path}: labels are the column {integers[0]}, the first of whole numbers; --label-column names another")
    return next(iter(by_word + integers), None)


def hub_class_names(schema: pyarrow.Schema, column: str) -> tuple[str, ...] | None:
    """The names in the description that Hugging Face's datasets library writes into the schema."""
    try:
        description = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        names = description["info"]["features"][column]["names"]
        return tuple(map(str, names))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _joined(rows: Sequence[_Rows]) -> _Rows:
    """The shards of one split as one."""
    images = tuple(image for part in rows for image in part.images)
    if any(part.column.labels is None for part in rows):
        return _Rows(images, Column(None))
    labels = [label for part in rows for label in part.column.labels or ()]
    return _Rows(images, Column(labels, rows[0].column.names))
