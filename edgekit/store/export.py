"""``edgekit store export``: a model of a store as files, and of a door also those that it leads to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgekit.catalog import RUNS
from edgekit.console import Part, Table
from edgekit.deployment.app_model import app_name
from edgekit.deployment.bundle import Bundle, json_bytes
from edgekit.inputs import door
from edgekit.options import Options, argument, group, option
from edgekit.result import Result
from edgekit.store.behind import experts
from edgekit.store.commands import StoreOptions, reading
from edgekit.store.store import Entry, Store


@dataclass(frozen=True)
class ExportOptions(Options):
    """Which entry, and where its files go."""

    model: str = argument("A name, or a hash of six digits and more.", metavar="NAME")
    out: Path | None = option("Folder for the files.", None, metavar="DIR", unset="runs/NAME/files")
    where: StoreOptions = group(StoreOptions)


@dataclass(frozen=True)
class Exported(Result):
    """The bytes of each file that was written."""

    model: str
    sha256: str
    folder: str
    files: Mapping[str, int]

    def parts(self) -> Iterator[Part]:
        """A row for each file."""
        rows = [(name, f"{size:,}") for name, size in self.files.items()]
        yield Table(f"{self.model} in {self.folder}", ("file", "bytes"), rows)


def export(options: ExportOptions) -> Exported:
    """Write the file of a model and what is known of it (model.json, as in bundles).

    A door's folder has its gate's two, ``experts/NAME/`` with those of each model behind it, and door.json, which says
    which is which and from which sureness on the gate is believed: nothing more of the store is needed.

    Raises:
        UnknownNameError: there is no such model.
        ModelError: one is damaged, or a model behind the door is not in the store any more.
        UsageError: the folder holds something else.
        StorageError: the store cannot be read, or the folder not be written.
    """
    with Store.there(options.where.path) as store:
        entry = store.find(options.model)
        with reading(entry):
            files = _files(entry, store)
            if "route" in entry.card:
                behind = {expert.name: expert for expert in experts(entry, store.find)}
                for name, expert in behind.items():
                    files |= {f"{_home(name)}/{file}": data for file, data in _files(expert, store).items()}
                about = {
                    "name": entry.name,
                    **asdict(door.Door(**entry.card["route"])),
                    "gate": _about(entry),
                    "experts": {name: _about(expert, f"{_home(name)}/") for name, expert in behind.items()},
                }
                files[door.FILE] = json_bytes(about)
            bundle = Bundle(files)
    folder = options.out or RUNS / entry.name / "files"
    bundle.write(folder)
    return Exported(entry.name, entry.sha256, str(folder), {name: len(data) for name, data in files.items()})


def _home(name: str) -> str:
    return f"{door.EXPERTS}/{name}"


def _files(entry: Entry, store: Store) -> dict[str, bytes]:
    """The model's file, and where it is a classifier, its description under the name that the entry has."""
    data, student = store.read(entry.sha256), entry.card["student"]
    if student is None:
        return {entry.card["file"]: data}
    described = {**student, "name": app_name(Path(entry.name) / student["file"])}
    return {student["file"]: data, "model.json": json_bytes(described)}


def _about(entry: Entry, home: str = "") -> dict[str, Any]:
    return {"file": f"{home}{entry.card['student']['file']}", "sha256": entry.sha256, "bytes": entry.card["bytes"]}
