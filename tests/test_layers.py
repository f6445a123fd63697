"""The rooms of the package and the order in which they stand, as docs/design.md writes it down: imports point down."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "edgekit"
CARRIED = PACKAGE / "deployment" / "pi" / "files"
"""Programs for a board, which import what a bundle puts beside them."""


def layers() -> list[list[str]]:
    """The lines of the page's block of layers, the bottom first, each with its rooms."""
    page = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    block = re.search(r"^## Layers$.*?^```$(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert block is not None
    return [line.partition("  ")[0].split(", ") for line in block[1].strip().splitlines()]


def rooms() -> set[str]:
    """The packages and modules directly below ``edgekit``."""
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    return folders | {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"}


def imported(path: Path) -> Iterator[str]:
    """The rooms that a file imports, wherever in it, also for its type hints alone."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name.split(".")[1] for name in names if name.startswith("edgekit."))


def arrows() -> Iterator[tuple[str, str, str]]:
    """(file, its room, a room that it imports)."""
    known = rooms()
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if path.is_relative_to(CARRIED) or room in ("__init__", "__main__"):
            continue
        for target in imported(path):
            if target in known and target != room:
                yield str(path.relative_to(ROOT)), room, target


def test_every_room_stands_in_one_layer() -> None:
    listed = [room for layer in layers() for room in layer]
    assert len(listed) == len(set(listed))
    assert rooms() == set(listed)


def test_imports_point_down() -> None:
    height = {room: number for number, layer in enumerate(layers()) for room in layer}
    up = sorted({(file, target) for file, room, target in arrows() if height[target] >= height[room]})
    assert up == []


def test_packages_import_each_other_in_no_circle() -> None:
    below: dict[str, set[str]] = {}
    for _, room, target in arrows():
        below.setdefault(room, set()).add(target)
    while free := {room for room in below if not below[room] & set(below)}:
        below = {room: targets for room, targets in below.items() if room not in free}
    assert below == {}
