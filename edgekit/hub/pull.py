"""``edgekit pull``: the files of a model on the hub, with where they are from."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from edgekit.catalog import PULL, run_folder
from edgekit.console import Part, Remark, Table, say
from edgekit.errors import ModelError, UnknownNameError
from edgekit.files import sha256_file, staged, write_json
from edgekit.hub.fetch import cached, fetched, of_hub
from edgekit.options import Options, argument, option
from edgekit.result import Result
from edgekit.runtimes.refusal import first_line

HUBS = ("hf:",)
MODELS = ("*.safetensors", "*.onnx", "*.tflite")
BESIDE = ("*.onnx_data", "*.onnx.data", "*.json", "*.txt", "*.model", "README.md", "LICENSE*", "NOTICE*")
"""What belongs to models: weights outside an ONNX file, configurations, vocabularies, the card, the licence."""


@dataclass(frozen=True)
class PullOptions(Options):
    """What to fetch."""

    model: str = argument("hf:ORG/NAME; @REVISION after it is a branch or a commit.", metavar="MODEL")
    only: str = option("Of the model files those alone that match, as onnx/*.onnx.", "", metavar="PATTERN")
    out: Path | None = option("Folder for the files.", None, metavar="DIR", unset="runs/NAME")


@dataclass(frozen=True)
class PulledFile:
    """A file by its path in the repository."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class PullResult(Result):
    """What was fetched, at which commit; ``license`` and ``card`` are what the repository says, empty if nothing."""

    name: str
    revision: str
    license: str
    card: str
    folder: Path
    files: tuple[PulledFile, ...]

    def parts(self) -> Iterator[Part]:
        """The files of models, and what may be done with them."""
        rows = [(item.path, f"{item.bytes:,}", item.sha256[:12]) for item in self.files if _is_model(item.path)]
        yield Table(f"{self.name}, revision {self.revision[:12]}", ("file", "bytes", "sha256"), rows)
        yield Remark(f"licence: {self.license or 'not stated'}; wrote {len(self.files)} files and {PULL}")
        for item in self.files:
            if item.path.endswith(".onnx"):
                yield Remark(f"next: edgekit inspect {self.folder / item.path}")
                return
        if any(item.path == "model.safetensors" for item in self.files):
            yield Remark(f"next: edgekit distill --teacher hf:{self.folder} --data SRC")


def pull(options: PullOptions) -> PullResult:
    """Fetch a model's files into a folder, and write pull.json: name, commit, licence, and the sum of each file.

    Safetensors, ONNX and TFLite alone are fetched, with what belongs to them; never code or pickled weights. Without a
    connection the hub's own cache is taken.

    Raises:
        UnknownNameError: the name is of no hub.
        ModelError: there is no such model or no connection, or it has no such files.
        StorageError: the folder cannot be written.
    """
    kind, colon, where = options.model.partition(":")
    if kind + colon not in HUBS:
        raise UnknownNameError("hub", kind + colon, HUBS)
    repository, _, revision = where.partition("@")
    folder = run_folder(options.out, Path(repository).name)
    wanted = _models_like(options.only) if options.only else MODELS
    with of_hub(options.model):
        source = _source(repository, revision or None, wanted, options.model)
        with staged(folder) as scratch:
            for path in sorted(path for path in source.rglob("*") if path.is_file()):
                name = path.relative_to(source).as_posix()
                if _matches(name, wanted) or (_matches(name, BESIDE) and not _is_model(name)):
                    (scratch / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(path, scratch / name)
            taken = sorted(path for path in scratch.rglob("*") if path.is_file())
            files = tuple(
                PulledFile(path.relative_to(scratch).as_posix(), path.stat().st_size, sha256_file(path))
                for path in taken
            )
            stated, text = _card(scratch / "README.md")
            result = PullResult(f"hf:{repository}", source.name, stated, text, folder, files)
            write_json(scratch / PULL, result.to_dict())
    return result


def _source(repository: str, revision: str | None, wanted: tuple[str, ...], name: str) -> Path:
    """The repository's folder in the hub's cache, at the newest commit that can be had."""
    patterns = (*wanted, *BESIDE)

    def check(files: list[str]) -> None:
        if not any(_matches(file, wanted) for file in files):
            raise ModelError(
                f"{name} has no file {' or '.join(wanted)}; pickled weights are never fetched, so name another model."
            )

    try:
        return fetched(repository, revision, patterns, check, name)
    except ModelError:
        raise
    except Exception as exc:  # no connection, as far as the cache can make up for it
        folder = cached(repository, revision, patterns)
        if folder is None:
            raise
        check([path.relative_to(folder).as_posix() for path in folder.rglob("*")])
        say(f"the hub cannot be reached ({first_line(exc)}): taking what its cache holds of {name}")
        return folder


def _card(path: Path) -> tuple[str, str]:
    """The licence that a model card states, and its text."""
    if not path.is_file():
        return "", ""
    from huggingface_hub import ModelCard

    card = ModelCard.load(path, ignore_metadata_errors=True)
    return str(card.data.get("license") or ""), str(card.text).strip()


def _models_like(pattern: str) -> tuple[str, ...]:
    """The pattern, or several, which nothing but models matches."""
    return (pattern,) if _is_model(pattern) else tuple(f"{pattern.rstrip('*')}{kind}" for kind in MODELS)


def _is_model(name: str) -> bool:
    return _matches(name, MODELS)


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(name, pattern) or fnmatch(Path(name).name, pattern) for pattern in patterns)
