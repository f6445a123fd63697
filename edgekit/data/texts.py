"""Texts with labels, from tables, folders of files or a program, as a Dataset whose rows are the texts themselves.

A table (.parquet, .csv, .tsv, .jsonl) has a column of texts and perhaps one of labels; a folder has tables that are
named after their splits, or class folders of .txt files as photos have them; a .txt file has a text in each line. A
single file that is named after a split for evaluation is that alone. A program gives a pair of texts and labels, texts
alone, or a mapping of ``train``, ``validation`` and ``test`` to such.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.console import say, warn
from edgekit.data.dataset import HELD_OUT, Dataset, Split, divide
from edgekit.data.factory import call_factory, is_factory
from edgekit.data.files import prepare
from edgekit.data.folder import FileKind, find_files
from edgekit.data.labels import LABEL_WORDS, NO_LABEL, Column, is_missing, numbered, said_column
from edgekit.data.parquet import holds_images
from edgekit.data.reading import STRICT, Reading
from edgekit.data.splits import SPLITS, may_be_divided, split_called, split_files
from edgekit.data.tables import TABLES, is_table, read_columns
from edgekit.errors import DataError
from edgekit.inputs.decode import PICTURES
from edgekit.inputs.error import InputError
from edgekit.inputs.text import TextContract

TEXT_WORDS = ("text", "sentence", "review", "content", "comment", "document", "question", "title", "utterance")
FILES = FileKind((".txt",), "texts (.txt)")
LINES, PARQUET = ".txt", ".parquet"
WAYS = (
    "a table (.parquet, .csv, .tsv, .jsonl), a folder of such named train..., validation... and test..., a folder of "
    "class folders of .txt files, a .txt file of a text in each line, or module:factory"
)


@dataclass(frozen=True)
class _Part:
    """A split as it is found; ``where`` names it in errors."""

    texts: Sequence[Any]
    column: Column
    where: str


def open_texts(source: Any, contract: TextContract, reading: Reading = STRICT) -> Dataset:
    """Open a source of texts; see the module for what it may be.

    Raises:
        DataError: it is broken or of no known kind, a table lacks a column, a text is empty, a label is no class, or
            all have the same.
        UnknownNameError: a table has no column of the name in ``reading``.
    """
    if isinstance(source, Dataset):
        if source.kind != "texts":
            raise DataError(f"{source.name} holds {source.kind}, and the model takes texts; give {WAYS}.")
        return source
    name, parts = _parts(source, contract, reading)
    parts = {split: _without_empty(part, reading) for split, part in parts.items()}
    classes, labels = numbered({split: part.column for split, part in parts.items()}, name)
    if len(classes) == 1:
        raise DataError(
            f"{name} has one class, '{classes[0]}', so there is nothing to tell it from; add texts of others."
        )
    splits = {split: Split(np.array(part.texts, object), labels[split]) for split, part in parts.items()}
    digest = hashlib.sha256(repr((classes, HELD_OUT)).encode())
    for split, part in splits.items():
        numbers = None if part.labels is None else part.labels.tolist()
        digest.update(repr((split, part.images[:].tolist(), numbers)).encode("utf-8", "surrogatepass"))
    contents = splits["train"].images[:].tolist() if "train" in splits else []
    return Dataset(name, classes, **divide(name, splits, classes, contents), sha256=digest.hexdigest())


def are_texts(path: Path) -> bool:
    """True for a table or a folder of tables without images, and for a folder of text files without pictures.

    Photos may have a table or a text beside them, of their licence perhaps, but none that is named after a split.
    """
    tables = [path] if is_table(path) and path.is_file() else []
    suffixes: set[str] = set()
    if path.is_dir():
        tables = sorted(file for file in path.iterdir() if is_table(file))
        if not any(split_called(table.stem) for table in tables):
            suffixes = {file.suffix.lower() for file in path.rglob("*")}
            if suffixes & PICTURES:
                return False
    if tables:
        return tables[0].suffix != PARQUET or not holds_images(tables[0])
    return LINES in suffixes


def _parts(source: Any, contract: TextContract, reading: Reading) -> tuple[str, dict[str, _Part]]:
    """The name of a source, and its splits."""
    if is_factory(source):
        return source, _given(call_factory(source), source)
    if not isinstance(source, str | Path):
        return "own data", _given(source, "own data")
    path = Path(source)
    if path.is_dir():
        name = path.resolve().name
        tables = [suffix for suffix in TABLES if any(path.glob(f"*{suffix}"))]
        if not tables:
            return name, _read_folder(path, contract, reading)
        files = split_files(path, tables)
        return name, _typed({split: _joined([_read_table(file, reading) for file in files[split]]) for split in files})
    split = split_called(path.stem)
    alone = "test" if split in ("test", "validation") else "train"
    if is_table(path):
        return path.name, _typed({alone: _read_table(path, reading)})
    if path.suffix == LINES and path.is_file():
        lines = [line for line in prepare(path, contract).splitlines() if line.strip()]
        return path.name, {alone: _Part(lines, Column(None), str(path))}
    if path.exists() or not path.suffix:
        raise DataError(f"{source} is no data for a model of text; give {WAYS}.")
    raise DataError(f"{source} does not exist; check the path.")


def _read_table(path: Path, reading: Reading) -> _Part:
    def choose(names: Sequence[str]) -> Sequence[str]:
        usual = (next((word for word in words if word in names), None) for words in (TEXT_WORDS, LABEL_WORDS))
        said = (said_column(name, names, path) for name in (reading.text_column, reading.label_column))
        text, label = (one or other for one, other in zip(said, usual, strict=True))
        if text is None:
            raise DataError(
                f"{path} has the columns {', '.join(names) or 'none'}; say which holds the texts with --text-column."
            )
        return [text] if label is None else [text, label]

    texts, *labels = read_columns(path, choose)
    return _Part(texts, Column(labels[0] if labels else None), str(path))


def _typed(parts: Mapping[str, _Part]) -> dict[str, _Part]:
    """Splits whose labels are all numbers or all names, whatever each file by itself looks like."""
    labels = iter(_whole([label for part in parts.values() for label in part.column.labels or ()]))
    return {
        split: replace(part, column=Column(list(islice(labels, len(part.texts))) if part.column.labels else None))
        for split, part in parts.items()
    }


def _whole(labels: Sequence[Any]) -> Sequence[Any]:
    """Labels as numbers where all are such, also as a file of text has them; whole ones are integers."""
    try:
        numbers = [label if is_missing(label) else float(label) for label in labels]
    except (TypeError, ValueError, OverflowError):
        return labels  # names
    return [int(number) if isinstance(number, float) and number.is_integer() else number for number in numbers]


def _joined(parts: Sequence[_Part]) -> _Part:
    """The shards of one split as one."""
    texts = [text for part in parts for text in part.texts]
    if any(part.column.labels is None for part in parts):
        return _Part(texts, Column(None), parts[0].where)
    return _Part(texts, Column([label for part in parts for label in part.column.labels or ()]), parts[0].where)


def _read_folder(path: Path, contract: TextContract, reading: Reading) -> dict[str, _Part]:
    def read(file: Any) -> str:
        try:
            return contract.read(file.read(), file.name)
        except (InputError, DataError) as exc:
            if not reading.skip_broken:
                raise DataError(f"{str(exc).rstrip('.')}; or leave such out with --skip-broken.") from exc
            return ""  # which is left out

    classes, splits = find_files(path, FILES)
    parts = {}
    for split, found in splits.items():
        labels = None if found.labels is None else found.labels.tolist()
        parts[split] = _Part([*map(read, found.images)], Column(labels, classes), f"{path}, {split} split")
    return parts


def _given(value: Any, name: str) -> dict[str, _Part]:
    """What a program has in hand."""
    if isinstance(value, Mapping):
        if not may_be_divided(value) or not set(value) <= set(SPLITS):
            raise DataError(f"{name}: give a mapping of train, validation and test to texts with labels.")
        return {split: _pair(part, f"{name}, {split} split") for split, part in value.items()}
    return {"train": _pair(value, name)}


def _pair(value: Any, where: str) -> _Part:
    texts, labels = value if isinstance(value, tuple) and len(value) == 2 else (value, None)
    if isinstance(texts, str) or not hasattr(texts, "__len__"):
        raise DataError(f"{where}: a {type(texts).__name__} is no list of texts; give (texts, labels).")
    known = None if labels is None else np.asarray(labels).tolist()
    if known is not None and len(known) != len(texts):
        raise DataError(f"{where}: {len(texts)} texts have {len(known)} labels; give each text one label.")
    return _Part(list(texts), Column(known), where)


def _without_empty(part: _Part, reading: Reading) -> _Part:
    """A split whose texts all say something, and have labels if any has.

    Raises:
        DataError: one does not, unless ``reading`` leaves such out; or none does.
    """
    kept = np.ones(len(part.texts), bool)
    unlabelled = ((row, NO_LABEL) for row, label in enumerate(part.column.labels or ()) if is_missing(label))
    for row, reason in sorted({**dict(unlabelled), **dict(_faults(part.texts))}.items()):
        if not reading.skip_broken:
            raise DataError(f"{part.where}: row {row} {reason}; correct it, or leave such out with --skip-broken.")
        say(f"left out: {part.where}: row {row} {reason}")
        kept[row] = False
    if not kept.any():
        raise DataError(f"{part.where} holds no texts; give some.")
    if kept.all():
        return part
    warn(f"left out {(~kept).sum():,} of {len(kept):,} texts of {part.where}")
    labels = part.column.labels
    rows = np.flatnonzero(kept).tolist()
    chosen = None if labels is None else [labels[row] for row in rows]
    return _Part([part.texts[row] for row in rows], Column(chosen, part.column.names), part.where)


def _faults(texts: Sequence[Any]) -> Iterator[tuple[int, str]]:
    """The rows that are no texts, and why."""
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            yield row, f"holds a {type(text).__name__} and no text"
        elif not text.strip():
            yield row, "is an empty text"
