"""``edgekit list``: what the catalog holds, and what the user made or pulled."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit import catalog
from edgekit.console import Part, Table
from edgekit.devices.cards import card_paths
from edgekit.devices.device import open_device
from edgekit.options import Options, argument
from edgekit.result import Result

OF_DOCUMENT = "recipes"
"""A column that the table has no room for."""

KINDS = ("teachers", "students", "models", "devices", "recipes")
ORIGINS = {catalog.PULL: "name", catalog.SEARCH: "family", catalog.DISTILL: "teacher", catalog.TEACH: "teacher"}
"""Records of a run in which to look for where it is from, and under which key."""


@dataclass(frozen=True)
class ListOptions(Options):
    """What to list."""

    kind: str = argument("What to list.", "students", choices=KINDS)


@dataclass(frozen=True)
class Listing(Result):
    """The entries of one kind, each a row of text cells under ``columns``."""

    kind: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def parts(self) -> Iterator[Part]:
        """A table of the entries."""
        shown = [place for place, name in enumerate(self.columns) if name != OF_DOCUMENT]
        columns, *rows = (tuple(row[place] for place in shown) for row in (self.columns, *self.rows))
        yield Table("", columns, rows)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {self.kind: [dict(zip(self.columns, row, strict=True)) for row in self.rows]}


def listing(options: ListOptions) -> Listing:
    """What the catalog holds of one kind."""
    kind = options.kind
    if kind == "devices":
        found = [open_device(name) for name in card_paths()]
        cells = tuple((device.name, ", ".join(device.figures), device.card.summary) for device in found)
        return Listing(kind, ("name", "figures", "summary"), cells)
    if kind == "recipes":
        from edgekit.quantization.recipes import RECIPES

        return Listing(kind, ("name", "summary"), tuple((name, recipe.summary) for name, recipe in RECIPES.items()))
    if kind == "models":
        return Listing(kind, ("model", "from", "files"), tuple(_models(catalog.RUNS)))
    rows = []
    for name in catalog.names(kind):
        card = catalog.network_card(kind, name)
        # A word for each file: the table has to fit a terminal of 80 columns, an entry in a line.
        numbers = ["int8" if ".int8." in path.name else "float" for path in card.model_files]
        ships = ["weights"] * card.weights.exists() + numbers
        row = (name, card.contract.size, ", ".join(card.recipes), ", ".join(dict.fromkeys(ships)))
        rows.append((*row, card.summary))
    return Listing(kind, ("name", "input", "recipes", "ships", "summary"), tuple(rows))


def _models(runs: Path) -> Iterator[tuple[str, str, str]]:
    """The folders in ``runs`` that hold model files, where each is from, and their sizes."""
    for folder in sorted(path for path in runs.glob("*") if path.is_dir()):
        files = sorted(path for path in folder.rglob("*") if path.suffix in (".onnx", ".tflite", ".safetensors"))
        if files:
            sizes = (f"{path.relative_to(folder)} {path.stat().st_size:,} B" for path in files)
            yield str(folder), _origin(folder), ", ".join(sizes)


def _origin(folder: Path) -> str:
    for record, key in ORIGINS.items():
        with suppress(OSError, ValueError, AttributeError):
            return str(json.loads((folder / record).read_text(encoding="utf-8")).get(key) or "")
    return ""
