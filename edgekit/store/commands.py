"""``edgekit store``: models kept under names, each with its card."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.console import Part, Table, counted, progress
from edgekit.errors import ModelError, StorageError, UsageError
from edgekit.evaluation.input_options import InputOptions
from edgekit.inputs.described import read_contract
from edgekit.options import MODELS, Options, argument, group, option
from edgekit.result import Result
from edgekit.store.store import Collected, Entry, Store, default_store

SHORT = 12
"""Digits of a hash that are shown in a table."""


@dataclass(frozen=True)
class StoreOptions(Options):
    """Which store."""

    store: Path | None = option("The store.", None, metavar="FILE", unset="$EDGEKIT_STORE, or store.db in your data")

    @property
    def path(self) -> Path:
        """Its file."""
        return self.store or default_store()


@dataclass(frozen=True)
class AddOptions(Options):
    """What to keep."""

    models: tuple[str, ...] = argument(MODELS, metavar="MODEL", many=True)
    name: str = option("Its name in the store.", "", unset="the file's or folder's")
    replace: bool = option("Let a name stand for another model than before.", False)
    input: InputOptions = group(InputOptions, without=("shape", "task"))
    where: StoreOptions = group(StoreOptions)


@dataclass(frozen=True)
class ShowOptions(Options):
    """Which entry."""

    model: str = argument("A name, or a hash of six digits and more.", metavar="NAME")
    where: StoreOptions = group(StoreOptions)


@dataclass(frozen=True)
class RemoveOptions(Options):
    """Which entries."""

    models: tuple[str, ...] = argument("Names, or hashes of six digits and more.", metavar="NAME", many=True)
    where: StoreOptions = group(StoreOptions)


@dataclass(frozen=True)
class Listing(Result):
    """Entries of a store; ``what`` says what has been done to them."""

    what: str
    store: str
    entries: tuple[Entry, ...]

    def parts(self) -> Iterator[Part]:
        """A table of the entries."""
        columns = ("name", "file", "bytes", "input", "classes", "sha256", "added")
        yield Table(f"{self.what} in {self.store}", columns, [_row(entry) for entry in self.entries])

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {"store": self.store, "models": [entry.to_dict() for entry in self.entries]}


@dataclass(frozen=True)
class Shown(Result):
    """One entry."""

    store: str
    entry: Entry

    def parts(self) -> Iterator[Part]:
        """The facts of the entry."""
        yield Table(self.entry.name, (), [row for row in _facts(self.entry) if row[1]])

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {"store": self.store, **self.entry.to_dict()}


@dataclass(frozen=True)
class Swept(Result):
    """What ``gc`` did."""

    store: str
    found: Collected

    def parts(self) -> Iterator[Part]:
        """What was swept."""
        models = counted(len(self.found.removed), "models")
        yield f"{self.store}: {models} without a name removed, {self.found.freed_bytes:,} bytes"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        damaged = [{"name": entry.name, "sha256": entry.sha256} for entry in self.found.damaged]
        return {"store": self.store, **vars(self.found), "damaged": damaged}

    def deliver(self, show: Callable[[], None]) -> None:
        """Show it, then raise ModelError if a model's bytes are not what its hash says."""
        show()
        if self.found.damaged:
            names = ", ".join(entry.name for entry in self.found.damaged)
            raise ModelError(f"{names} in {self.store} cannot be read as it was written; add the file again.")


def add(options: AddOptions) -> Listing:
    """Read model files and keep them; each is kept as soon as it has been read.

    Raises:
        ModelError, RuntimeCrashError, UsageError: see ``read_model`` and ``Store.add``.
        StorageError: the store cannot be written.
    """
    from edgekit.store.card import read_model

    models, store = options.models, options.where.path
    if options.name and len(models) > 1:
        raise UsageError("--name names one model; give one MODEL, or leave the names to the files.")
    entries = []
    with Store(store) as opened, progress("adding models", len(models)) as bar:
        for done, model in enumerate(models):
            bar.update(done, model)
            read = read_model(model, options.input)
            entries.append(opened.add(options.name or read.name, read.data, read.card, options.replace))
    return Listing("added", str(store), tuple(entries))


def list_(options: StoreOptions) -> Listing:
    """All entries.

    Raises:
        UsageError: there is no store.
        StorageError: the store cannot be read.
    """
    with Store.there(options.path) as opened:
        return Listing("models", str(options.path), opened.entries())


def show(options: ShowOptions) -> Shown:
    """The entry of a name or of a hash.

    Raises:
        UnknownNameError: there is none.
        StorageError: the store cannot be read.
    """
    with Store.there(options.where.path) as opened:
        return Shown(str(options.where.path), opened.find(options.model))


def remove(options: RemoveOptions) -> Listing:
    """Forget names; the files stay until ``gc``.

    Raises:
        UnknownNameError: one of them is not there; then none is removed.
        StorageError: the store cannot be written.
    """
    with Store.there(options.where.path) as opened:
        return Listing("removed", str(options.where.path), opened.remove(options.models))


def gc(options: StoreOptions) -> Swept:
    """Remove artifacts without a name and check all others.

    Raises:
        StorageError: the store cannot be read or written.
    """
    with Store.there(options.path) as opened:
        return Swept(str(options.path), opened.collect())


@contextmanager
def reading(entry: Entry) -> Iterator[None]:
    """A card that EdgeKit did not write lacks what is read here, or has something else there."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise StorageError(f"The card of '{entry.name}' is damaged; add its file again.") from exc


def _row(entry: Entry) -> tuple[str, ...]:
    with reading(entry):
        card, student = entry.card, entry.card["student"]
        taken = _taken(student) if student else "not served"
        classes = str(len(student["labels"])) if student else ""
        return (entry.name, str(card["file"]), f"{card['bytes']:,}", taken, classes, entry.sha256[:SHORT], entry.added)


def _facts(entry: Entry) -> list[tuple[str, str]]:
    with reading(entry):
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
            ("input", f"{_taken(student)}, {student['contract']['domain']}" if student else ""),
            ("labels", ", ".join(labels[:SHORT]) + (", ..." if len(labels) > SHORT else "")),
            ("not served", card["refusal"]),
            *((f"parent {name}", digest) for name, digest in card["parents"].items()),
        ]


def _taken(student: Mapping[str, Any]) -> str:
    """What it takes, as in 28x28x1 or 64 ids."""
    return read_contract(student["contract"]).size
