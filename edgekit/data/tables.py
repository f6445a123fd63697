"""Tables of texts and labels: .parquet, .csv, .tsv, and JSON lines, all of their columns at once."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from edgekit.data.parquet import opened
from edgekit.errors import DataError
from edgekit.files import require_file

MAX_BYTES = 1 << 30
MAX_CELL = 1 << 24
"""Characters."""

Columns = list[list[Any]]
Choose = Callable[[Sequence[str]], Sequence[str]]
"""The names of a table's columns -> those that are wanted."""


def read_columns(path: Path, choose: Choose) -> Columns:
    """The chosen columns of a table, each a list of as many cells.

    Raises:
        DataError: the file is missing, broken, or larger than is read.
    """
    size = require_file(path, DataError).stat().st_size
    if size > MAX_BYTES:
        raise DataError(f"{path} has {size:,} bytes; more than {MAX_BYTES:,} are not read, so write it in parts.")
    return TABLES[path.suffix](path, choose)


def is_table(path: Path) -> bool:
    """True for the name of one."""
    return path.suffix in TABLES


def _read_parquet(path: Path, choose: Choose) -> Columns:
    with opened(path) as file:
        names = choose(file.schema_arrow.names)
        table = file.read(list(names))
        return [table.column(name).to_pylist() for name in names]


def _read_csv(path: Path, choose: Choose) -> Columns:
    return _separated(path, choose, delimiter=",")


def _read_tsv(path: Path, choose: Choose) -> Columns:
    return _separated(path, choose, delimiter="\t", quoting=csv.QUOTE_NONE)


def _separated(path: Path, choose: Choose, **form: Any) -> Columns:
    csv.field_size_limit(MAX_CELL)
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            names, *rows = [*csv.reader(stream, **form)] or [[]]
    except UnicodeDecodeError as exc:
        raise DataError(f"{path} is no text in UTF-8; save it as such.") from exc
    except (csv.Error, ValueError) as exc:
        raise DataError(f"{path} is not a readable table ({exc}); write it again.") from exc
    rows = [row for row in rows if row]
    for number, row in enumerate(rows):
        if len(row) != len(names):
            raise DataError(f"{path}: row {number} has {len(row)} cells and the header {len(names)}; correct that row.")
    return [[row[names.index(name)] for row in rows] for name in choose(names)]


def _read_lines(path: Path, choose: Choose) -> Columns:
    rows: list[dict[str, Any]] = []
    try:
        with path.open(encoding="utf-8-sig") as stream:
            rows.extend(dict(json.loads(line)) for line in stream if line.strip())
    except UnicodeDecodeError as exc:
        raise DataError(f"{path} is no text in UTF-8; save it as such.") from exc
    except (ValueError, TypeError, RecursionError) as exc:
        raise DataError(f"{path}: what follows object {len(rows)} is no JSON object in a line; correct it.") from exc
    names = choose(list(rows[0]) if rows else [])
    for number, row in enumerate(rows):
        if missing := [name for name in names if name not in row]:
            raise DataError(f"{path}: object {number} has no '{missing[0]}'; correct that line.")
    return [[row[name] for row in rows] for name in names]


TABLES: dict[str, Callable[[Path, Choose], Columns]] = {
    ".parquet": _read_parquet,
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    ".jsonl": _read_lines,
    ".ndjson": _read_lines,
}
