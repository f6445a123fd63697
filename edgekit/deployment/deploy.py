"""``edgekit deploy``: from a model file to a bundle that works as it is.

A target is a folder here with a ``build.py``, which has

    RUNTIMES                                         those that its app can have, the best one first
    build(model, options) -> Bundle                  the app's files
    next_commands(folder, name) -> tuple[str, ...]   what to type to see it work
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from edgekit.console import print_table
from edgekit.errors import UnknownNameError
from edgekit.evaluation.input_options import InputOptions

if TYPE_CHECKING:
    from edgekit.deployment.app_model import AppModel
    from edgekit.deployment.bundle import Bundle

COPIES = {"gzip": ".gz", "Brotli": ".br"}
"""Endings of the compressed copies that a page has beside its files."""


@dataclass(frozen=True)
class DeployOptions:
    """What to make.

    Attributes:
        model: a file, a run folder or a student's name.
        target: the name of a target, as in ``pi``.
        folder: where the bundle goes.
        archive: also write it as FOLDER.tar.gz.
        runtime: ``litert`` or ``ort``; None takes the target's best.
        input: what the user says of the model's input and classes.
    """

    model: str
    target: str
    folder: Path
    archive: bool = False
    runtime: str | None = None
    input: InputOptions = field(default_factory=InputOptions)

    def __post_init__(self) -> None:
        if self.target not in targets():
            raise UnknownNameError("target", self.target, targets())


@dataclass(frozen=True)
class Deployment:
    """A bundle that was written: bytes of each file, the archive's path or an empty text, and what to type next."""

    target: str
    model: str
    sha256: str
    runtime: str
    folder: str
    archive: str
    files: Mapping[str, int]
    next: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


class Target(Protocol):
    """The module ``build`` of a target."""

    RUNTIMES: tuple[str, ...]

    def build(self, model: AppModel, options: DeployOptions) -> Bundle:
        """The app's files."""

    def next_commands(self, folder: Path, name: str) -> tuple[str, ...]:
        """What to type to see it work."""


def targets() -> tuple[str, ...]:
    """The names of all targets."""
    return tuple(sorted(path.parent.name for path in Path(__file__).parent.glob("*/build.py")))


def deploy(options: DeployOptions) -> Deployment:
    """Make the bundle of a model and write it.

    Raises:
        ModelError, RuntimeCrashError, UsageError: see ``read_app_model``.
        UsageError: the folder holds something else.
        StorageError: it cannot be written.
    """
    from edgekit.deployment.app_model import read_app_model

    target = cast(Target, import_module(f"edgekit.deployment.{options.target}.build"))
    model = read_app_model(options.model, options.input, options.runtime, target.RUNTIMES)
    bundle = target.build(model, options)
    bundle.write(options.folder)
    archive = options.folder.with_name(f"{options.folder.name}.tar.gz") if options.archive else None
    if archive is not None:
        bundle.archive(archive)
    return Deployment(
        target=options.target,
        model=str(model.path),
        sha256=model.sha256,
        runtime=model.runtime,
        folder=str(options.folder),
        archive=str(archive or ""),
        files={name: len(data) for name, data in bundle.contents.items()},
        next=target.next_commands(options.folder, model.name),
    )


def show(result: Deployment) -> None:
    """Print the files with their bytes, compressed copies beside them, and the next command."""
    copies = {name: end for name, end in COPIES.items() if any(file.endswith(end) for file in result.files)}
    forms = {"bytes": "", **copies}
    table = {
        name: [result.files.get(f"{name}{end}", size) for end in forms.values()]
        for name, size in result.files.items()
        if not name.endswith(tuple(COPIES.values()))
    }
    table["in all"] = [sum(sizes) for sizes in zip(*table.values(), strict=True)]
    rows = [(name, *(f"{size:,}" for size in sizes)) for name, sizes in table.items()]
    print_table(f"{result.model} for {result.target} in {result.folder}", ("file", *forms), rows)
    if result.archive:
        print(f"the same as one file: {result.archive}")
    print("next:")
    for command in result.next:
        print(f"  {command}")
