"""Classifiers of a model hub: ``hf:ORG/NAME`` for transformers, ``timm:NAME`` for timm, or the folder of one.

``@REVISION`` after a name is a branch or a commit. A model is a folder of a ``config.json`` and safetensors: what
``save_pretrained`` wrote, or a snapshot in the hub's own cache, where one that is there is taken without a connection.
Neither code of the model's own nor pickled weights are ever loaded.

Each kind is one file, with ``repository(name)``, ``contract(folder)``, ``labels(folder)`` and ``network(folder)``.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from edgekit.errors import ModelError, input_errors
from edgekit.files import sha256_bytes, sha256_file
from edgekit.hub.fetch import cached, fetched, of_hub
from edgekit.inputs.contracts import Contract

if TYPE_CHECKING:
    from torch import nn

FILES = (
    "config.json",
    "preprocessor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
    "model.safetensors.index.json",
    "*.safetensors",
)


@dataclass(frozen=True)
class HubModel:
    """A model's folder; ``name`` has the commit that it is of, unless the folder was named itself.

    ``labels`` are the names of its classes; empty where the model does not say them.
    """

    name: str
    folder: Path
    contract: Contract
    labels: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """Names what it computes: its weights and its configuration."""
        files = sorted(path for pattern in FILES for path in self.folder.glob(pattern))
        return sha256_bytes("".join(map(sha256_file, files)).encode())

    @property
    def short_name(self) -> str:
        """The last part of its name: a folder's name for what is made of it."""
        return Path(self.name.partition(":")[2].partition("@")[0]).name

    def network(self) -> tuple[nn.Module, frozenset[str]]:
        """The network, from inputs of its contract to logits [N, classes]; with it, the parameters without weights.

        Raises:
            ModelError: its library is not installed, or does not know such a network, or the weights do not fit it.
        """
        with of_hub(self.name):
            network: nn.Module
            network, missing = _kind(self.name).network(self.folder)
            return network.eval(), frozenset(missing)


def is_hub_name(model: Any) -> bool:
    """True for text that begins with a kind's name and a colon."""
    return isinstance(model, str) and model.partition(":")[0] in _names() and ":" in model


def open_hub(name: str) -> HubModel:
    """Find a model's folder, or fetch it, and read what it eats.

    Raises:
        ModelError: there is no such model, no connection, or it has no safetensors.
    """
    kind, where = _kind(name), name.partition(":")[2]
    folder = Path(where)
    if not folder.is_dir():
        repository, _, revision = where.partition("@")
        with of_hub(name):
            folder = _snapshot(kind.repository(repository), revision or None, name)
        name = f"{name.partition('@')[0]}@{folder.name}"
    _require_weights(name, [path.name for path in folder.iterdir()])
    with of_hub(name), input_errors(ModelError, f"{name}: "):
        return HubModel(name, folder, kind.contract(folder), kind.labels(folder))


def _snapshot(repository: str, revision: str | None, name: str) -> Path:
    """The folder of a repository at a revision: the hub's cache is asked first, and without a connection."""
    folder = cached(repository, revision, FILES)
    if folder is not None and list(folder.glob("*.safetensors")):
        return folder
    return fetched(repository, revision, FILES, partial(_require_weights, name), name)


def _require_weights(name: str, files: list[str]) -> None:
    if not any(file.endswith(".safetensors") and "/" not in file for file in files):
        raise ModelError(f"{name} has no .safetensors file, and pickled weights are never opened; name another model.")


def _kind(name: str) -> ModuleType:
    return importlib.import_module(f"{__name__}.{name.partition(':')[0]}")


def _names() -> tuple[str, ...]:
    return tuple(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))
