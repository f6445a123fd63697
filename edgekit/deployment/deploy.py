"""``edgekit deploy``: from a model file to a bundle that works as it is.

A target is a folder here, whose docstring is what ``--help`` says of it, with a ``build.py``, which has

    RUNTIMES                                         those that its app can have, the best one first
    settled(model, options) -> AppModel              the model as the app runs it
    build(model, options) -> Bundle                  the app's files
    build_door(door) -> Bundle                       those of an app of several models behind a gate
    next_commands(folder, name) -> tuple[str, ...]   what to type to see it work
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from edgekit.catalog import home_of, taken
from edgekit.console import Part, Table
from edgekit.errors import UsageError
from edgekit.evaluation.input_options import InputOptions
from edgekit.options import MODEL, NEWEST, Options, argument, group, option
from edgekit.result import Result

if TYPE_CHECKING:
    from edgekit.deployment.app_door import AppDoor
    from edgekit.deployment.app_model import AppModel
    from edgekit.deployment.bundle import Bundle

COPIES = {"gzip": ".gz", "Brotli": ".br"}
"""Endings of the compressed copies that a page has beside its files."""


def targets() -> dict[str, str]:
    """The names of all targets, and what each makes, as their folders say it."""
    found = sorted(path.parent.name for path in Path(__file__).parent.glob("*/build.py"))
    pages = {name: str(import_module(f"edgekit.deployment.{name}").__doc__) for name in found}
    return {name: text[:1].lower() + text[1:].splitlines()[0].rstrip(".") for name, text in pages.items()}


@dataclass(frozen=True)
class DeployOptions(Options):
    """What to make, and where."""

    model: str = argument(
        f"{MODEL[:-1]}, or a door's folder of 'edgekit store export'.", "", metavar="MODEL", unset=NEWEST
    )
    target: str = option(
        "; ".join(f"{name}: {text}" for name, text in targets().items()), "pi", choices=tuple(targets())
    )
    out: Path | None = option("Folder for the bundle.", None, metavar="DIR", unset="runs/NAME/TARGET")
    archive: bool = option("Also write the bundle as one file, DIR.tar.gz.", False)
    runtime: str | None = option(
        "litert, ort, or c: the model compiled, without a runtime.", None, unset="the target's best"
    )
    input: InputOptions = group(InputOptions, without=("shape", "task"))


@dataclass(frozen=True)
class Deployment(Result):
    """A bundle that was written: bytes of each file, the archive's path or an empty text, and what to type next."""

    target: str
    model: str
    sha256: str
    runtime: str
    folder: str
    archive: str
    files: Mapping[str, int]
    next: tuple[str, ...]

    def parts(self) -> Iterator[Part]:
        """The files with their bytes, compressed copies beside them, and the next commands."""
        copies = {name: end for name, end in COPIES.items() if any(file.endswith(end) for file in self.files)}
        forms = {"bytes": "", **copies}
        table = {
            name: [self.files.get(f"{name}{end}", size) for end in forms.values()]
            for name, size in self.files.items()
            if not name.endswith(tuple(COPIES.values()))
        }
        table["in all"] = [sum(sizes) for sizes in zip(*table.values(), strict=True)]
        rows = [(name, *(f"{size:,}" for size in sizes)) for name, sizes in table.items()]
        yield Table(f"{self.model} for {self.target} in {self.folder}", ("file", *forms), rows)
        if self.archive:
            yield f"the same as one file: {self.archive}"
        yield "\n  ".join(("next:", *self.next))


class Target(Protocol):
    """The module ``build`` of a target."""

    RUNTIMES: tuple[str, ...]

    def settled(self, model: AppModel, options: DeployOptions) -> AppModel:
        """The model as the app runs it."""

    def build(self, model: AppModel, options: DeployOptions) -> Bundle:
        """The app's files."""

    def build_door(self, door: AppDoor) -> Bundle:
        """The files of an app of several models behind a gate."""

    def next_commands(self, folder: Path, name: str) -> tuple[str, ...]:
        """What to type to see it work."""


def deploy(options: DeployOptions) -> Deployment:
    """Make the bundle of a model, or of a door that was exported as a folder, and write it.

    Raises:
        ModelError: see ``read_door``.
        ModelError, RuntimeCrashError, UsageError: see ``read_app_model``.
        UsageError: the folder holds something else.
        StorageError: it cannot be written.
    """
    from edgekit.deployment.app_door import is_door, read_door
    from edgekit.deployment.app_model import read_app_model

    target = cast(Target, import_module(f"edgekit.deployment.{options.target}.build"))
    named = taken(options.model)
    folder = options.out or home_of(named) / options.target
    if is_door(Path(named)):
        if options.runtime is not None or options.input != InputOptions():
            raise UsageError("A door's files are described already; leave out --runtime and what is said of an input.")
        door = read_door(Path(named))
        model, bundle = door.gate, target.build_door(door)
    else:
        model = target.settled(read_app_model(named, options.input, options.runtime, target.RUNTIMES), options)
        bundle = target.build(model, options)
    bundle.write(folder)
    archive = folder.resolve().with_name(f"{folder.resolve().name}.tar.gz") if options.archive else None
    if archive is not None:
        bundle.archive(archive)
    return Deployment(
        target=options.target,
        model=str(model.path),
        sha256=model.sha256,
        runtime=model.runtime,
        folder=str(folder),
        archive=str(archive or ""),
        files={name: len(data) for name, data in bundle.contents.items()},
        next=target.next_commands(folder, model.name),
    )
