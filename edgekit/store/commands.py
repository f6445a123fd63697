"""``edgekit store``: models kept under names, each with its card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.console import print_facts, print_table, progress
from edgekit.errors import ModelError, StorageError, UsageError
from edgekit.evaluation.input_options import InputOptions
from edgekit.store.store import Entry, Store

SHORT = 12
"""Digits of a hash that are shown in a table."""


@dataclass(frozen=True)
class Listing:
    """Entries of a store; ``what`` says what has been done to them."""

    what: str
    store: str
    entries: tuple[Entry, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {"store": self.store, "models": [entry.to_dict() for entry in self.entries]}


@dataclass(frozen=True)
class Shown:
    """One entry."""

    store: str
    entry: Entry

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {"store": self.store, **self.entry.to_dict()}


@dataclass(frozen=True)
class Swept:
    """What ``gc`` did: hashes of removed artifacts, bytes given back, and names of damaged models."""

    store: str
    removed: tuple[str, ...]
    freed_bytes: int
    damaged: tuple[Entry, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        damaged = [{"name": entry.name, "sha256": entry.sha256} for entry in self.damaged]
        return {"store": self.store, "removed": self.removed, "freed_bytes": self.freed_bytes, "damaged": damaged}

    def require_sound(self) -> None:
        """Raise ModelError if a model's bytes are not what its hash says."""
        if self.damaged:
            names = ", ".join(entry.name for entry in self.damaged)
            raise ModelError(f"{names} in {self.store} cannot be read as it was written; add the file again.")


def add(store: Path, models: Sequence[str], name: str, replace: bool, options: InputOptions) -> Listing:
    """Read model files and keep them; each is kept as soon as it has been read.

    Raises:
        ModelError, RuntimeCrashError, UsageError: see ``read_model`` and ``Store.add``.
        StorageError: the store cannot be written.
    """
    from edgekit.store.card import read_model

    if name and len(models) > 1:
        raise UsageError("--name names one model; give one MODEL, or leave the names to the files.")
    entries = []
    with Store(store) as opened, progress("adding models", len(models)) as bar:
        for done, model in enumerate(models):
            bar.update(done, model)
            read = read_model(model, options)
            entries.append(opened.add(name or read.name, read.data, read.card, replace))
    return Listing("added", str(store), tuple(entries))


def list_(store: Path) -> Listing:
    """All entries.

    Raises:
        StorageError: the store cannot be read.
    """
    with Store(store) as opened:
        return Listing("models", str(store), opened.entries())


def show_one(store: Path, model: str) -> Shown:
    """The entry of a name or of a hash.

    Raises:
        UnknownNameError: there is none.
        StorageError: the store cannot be read.
    """
    with Store(store) as opened:
        return Shown(str(store), opened.find(model))


def remove(store: Path, models: Sequence[str]) -> Listing:
    """Forget names; the files stay until ``gc``.

    Raises:
        UnknownNameError: one of them is not there; then none is removed.
        StorageError: the store cannot be written.
    """
    with Store(store) as opened:
        return Listing("removed", str(store), opened.remove(tuple(models)))


def gc(store: Path) -> Swept:
    """Remove artifacts without a name and check all others.

    Raises:
        StorageError: the store cannot be read or written.
    """
    with Store(store) as opened:
        swept = opened.collect()
    return Swept(str(store), swept.removed, swept.freed_bytes, swept.damaged)


def show(result: Listing | Shown | Swept) -> None:
    """Print a table of entries, the facts of one, or what was swept."""
    if isinstance(result, Listing):
        columns = ("name", "file", "bytes", "input", "classes", "sha256", "added")
        print_table(f"{result.what} in {result.store}", columns, [_row(entry) for entry in result.entries])
    elif isinstance(result, Shown):
        print_facts(result.entry.name, [row for row in _facts(result.entry) if row[1]])
    else:
        count = len(result.removed)
        models = "1 model" if count == 1 else f"{count} models"
        print(f"{result.store}: {models} without a name removed, {result.freed_bytes:,} bytes")


@contextmanager
def _reading(entry: Entry) -> Iterator[None]:
    """A card that EdgeKit did not write lacks what is read here, or has something else there."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise StorageError(f"The card of '{entry.name}' is damaged; add its file again.") from exc


def _row(entry: Entry) -> tuple[str, ...]:
    with _reading(entry):
        card, student = entry.card, entry.card["student"]
        image = _image(student["contract"]) if student else "no image"
        classes = str(len(student["labels"])) if student else ""
        return (entry.name, str(card["file"]), f"{card['bytes']:,}", image, classes, entry.sha256[:SHORT], entry.added)


def _facts(entry: Entry) -> list[tuple[str, str]]:
    with _reading(entry):
        return _all_facts(entry)


def _all_facts(entry: Entry) -> list[tuple[str, str]]:
    card, student = entry.card, entry.card["student"] or {}
    labels = student.get("labels", [])
    return [
        ("file", f"{card['file']}, {card['bytes']:,} B"),
        ("sha256", entry.sha256),
        ("added", entry.added),
        ("scheme", card["scheme"]),
        ("recipe", card["recipe"]),
        ("quality", ", ".join(f"{name} {value:g}" for name, value in card["quality"].items())),
        ("runtime", student.get("runtime", "")),
        ("image", f"{_image(student['contract'])}, {student['contract']['domain']}" if student else ""),
        ("labels", ", ".join(labels[:SHORT]) + (", ..." if len(labels) > SHORT else "")),
        ("not served", card["refusal"]),
        *((f"parent {name}", digest) for name, digest in card["parents"].items()),
    ]


def _image(contract: Mapping[str, Any]) -> str:
    return f"{contract['height']}x{contract['width']}x{contract['channels']}"
