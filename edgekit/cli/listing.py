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
        ships = [path.name for path in (card.weights, *card.model_files) if path.exists()]
        classes = str(len(card.classes) or "any")
        row = (name, f"{height}x{width}x{channels}", classes, ", ".join(card.recipes), ", ".join(ships))
        rows.append((*row, card.summary))
    return Listing(kind, ("name", "input", "classes", "recipes", "ships", "summary"), tuple(rows))
