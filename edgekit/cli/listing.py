"""``edgekit list``: what the catalog holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from edgekit import catalog
from edgekit.console import Part, Table
from edgekit.devices.cards import card_paths
from edgekit.devices.device import open_device
from edgekit.options import Options, argument
from edgekit.result import Result

SHIPPED = {"model.int8.tflite": "int8", "model.int8.onnx": "int8", "model.onnx": "float"}
"""Files of a card in a word each: the table has to fit a terminal of 80 columns."""


@dataclass(frozen=True)
class ListOptions(Options):
    """What to list."""

    kind: str = argument("What to list.", "students", choices=("teachers", "students", "devices", "recipes"))


@dataclass(frozen=True)
class Listing(Result):
    """The entries of one kind, each a row of text cells under ``columns``."""

    kind: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def parts(self) -> Iterator[Part]:
        """A table of the entries."""
        yield Table("", self.columns, self.rows)

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
    rows = []
    for name in catalog.names(kind):
        card = catalog.network_card(kind, name)
        height, width, channels = card.contract.shape
        ships = ["weights"] * card.weights.exists() + [SHIPPED[path.name] for path in card.model_files]
        row = (name, f"{height}x{width}x{channels}", ", ".join(card.recipes), ", ".join(dict.fromkeys(ships)))
        rows.append((*row, card.summary))
    return Listing(kind, ("name", "input", "recipes", "ships", "summary"), tuple(rows))
