"""The package as a building: its lines, circles of packages, and imports that run up the layers."""

from __future__ import annotations

import sys
from pathlib import Path

from record import FOLDER, record

ROOT = FOLDER.parent
CODE = (".py", ".js", ".css")
sys.path.insert(0, str(ROOT / "tests"))
from test_layers import arrows, layers  # noqa: E402


def main() -> None:
    files = [path for path in (ROOT / "edgekit").rglob("*") if path.suffix in CODE]
    lines = {kind: sum(_lines(path) for path in files if path.suffix == kind) for kind in CODE}
    height = {room: number for number, layer in enumerate(layers()) for room in layer}
    found = list(arrows())
    result = {
        "lines": {"all": sum(lines.values()), **lines},
        "layers": len(layers()),
        "rooms": len(height),
        "imports_between_rooms": len(found),
        "arrows_up": sum(height[target] >= height[room] for _, room, target in found),
        "rooms_in_circles": len(_in_circles({(room, target) for _, room, target in found})),
    }
    print(result)
    record(__file__, result)


def _lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def _in_circles(pairs: set[tuple[str, str]]) -> set[str]:
    """What is left when rooms that import none of the others are taken away, again and again."""
    while free := {target for _, target in pairs} - {room for room, _ in pairs}:
        pairs = {(room, target) for room, target in pairs if target not in free}
    return {room for room, _ in pairs}


if __name__ == "__main__":
    main()
