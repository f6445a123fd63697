"""``edgekit push``: a run as others can use it, with its card, into a folder or onto the hub."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.catalog import home_of, resolve_models
from edgekit.console import Part, Remark, Table
from edgekit.errors import ModelError, UsageError
from edgekit.files import model_name, require_writable, staged, write_bytes, write_json, write_text
from edgekit.graph.isolated import model_bytes, model_sha256
from edgekit.hub.card import RECORDS, CardFile, model_card
from edgekit.hub.fetch import of_hub
from edgekit.modelfiles.session import vet
from edgekit.options import MODEL, Options, argument, option
from edgekit.result import Result

CARD = "README.md"
HUB = "hf:"
FOLDERS = re.compile(r"(?<![^\s:])(?:~[^/\\\s]*|[A-Za-z]:)?(?:\\\\|[/\\])(?:[^/\\:\s][^/\\:]*[/\\])*(?=[^/\\\s])")
"""Those of an absolute path, on any system; it may stand behind a hub's name, as in hf:/home/me/vit."""
NAMES = ("classes", "layers", "floats")
"""Fields of records whose texts may look like paths, and are names of classes and tensors."""


@dataclass(frozen=True)
class PushOptions(Options):
    """What goes where, and what its card says."""

    model: str = argument(MODEL, metavar="MODEL")
    to: str = option("A folder, or hf:ORG/NAME.", "", metavar="PLACE", unset="shared/NAME")
    license: str = option("The licence of the weights, as apache-2.0; the card says it.", "", metavar="NAME")
    use: str = option("What it is for, in a sentence; the card says it.", "", metavar="TEXT")
    private: bool = option("A repository on the hub that is new is seen by its owner alone.", False)


@dataclass(frozen=True)
class PushResult(Result):
    """The files that went to ``place``, the card among them."""

    place: str
    files: tuple[str, ...]
    license: str

    def parts(self) -> Iterator[Part]:
        """Where it is, and what its card lacks."""
        yield Table(self.place, ("file",), [(name,) for name in self.files])
        if not self.license:
            yield Remark("the card states no licence, so nobody may use the weights; say it by --license")


def push(options: PushOptions) -> PushResult:
    """Copy a run's model files and records, with a card made of them, into a folder or to the hub.

    The hub's own settings say who you are (``hf auth login``, or $HF_TOKEN).

    Raises:
        UnknownNameError, ModelError: there is no such run, or a file of it is broken.
        StorageError: the folder cannot be written.
        UsageError: the folder is the run itself.
    """
    found = resolve_models(options.model)
    files = [_card_file(path) for path in found]
    home = found[0].parent
    title = model_name(found[0]) if len(found) == 1 else home_of(options.model).name
    records = {name: _without_paths(_record(home / name)) for name in RECORDS if (home / name).is_file()}
    text = model_card(title, files, records, options.license, options.use)
    place = options.to or f"shared/{title}"
    names = (*(file.path.name for file in files), *records, CARD)
    with _scratch(place, home, options.private) as scratch:
        for file in files:
            write_bytes(scratch / file.path.name, model_bytes(file.path))
        for name, record in records.items():
            write_json(scratch / name, record)
        write_text(scratch / CARD, text)
    return PushResult(place, names, options.license)


def _card_file(path: Path) -> CardFile:
    contents = vet(path)
    return CardFile(path, contents, contents.metadata(str(path)), model_sha256(path))


def _record(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as exc:
        raise ModelError(f"{path} is damaged ({exc}); make the run again, or remove the file.") from exc


def _without_paths(value: Any) -> Any:
    """A record without the folders of the machine that it is from: of an absolute path, the name is left."""
    if isinstance(value, dict):
        return {key: item if key in NAMES else _without_paths(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_paths(item) for item in value]
    return FOLDERS.sub("", value) if isinstance(value, str) else value


@contextmanager
def _scratch(place: str, home: Path, private: bool) -> Iterator[Path]:
    """A folder whose files go to the place in the end."""
    if not place.startswith(HUB):
        if Path(place).resolve() == home.resolve():
            raise UsageError(f"{place} is the run itself; name another folder by --to.")
        with staged(require_writable(Path(place))) as folder:
            yield folder
        return
    with tempfile.TemporaryDirectory() as name, of_hub(place):
        yield Path(name)
        from huggingface_hub import HfApi

        api = HfApi()
        api.create_repo(place.removeprefix(HUB), private=private, exist_ok=True)
        api.upload_folder(repo_id=place.removeprefix(HUB), folder_path=name, commit_message="EdgeKit's files and card")
