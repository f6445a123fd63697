"""What is behind a door of a store: models by their names, which may have been removed since."""

from __future__ import annotations

from collections.abc import Callable

from edgekit.errors import ModelError, UnknownNameError
from edgekit.store.store import Entry


def expert(door: Entry, name: str, find: Callable[[str], Entry]) -> Entry:
    """The entry of an expert of a door, as ``find`` finds it.

    Raises:
        ModelError: it is not in the store any more, or is no classifier now.
    """
    try:
        found = find(name)
    except UnknownNameError as exc:
        raise ModelError(
            f"'{door.name}' leads to '{name}', which is no longer in the store; add it, or route anew without it."
        ) from exc
    if found.card["student"] is None or "route" in found.card:
        raise ModelError(f"'{door.name}' leads to '{name}', which is no classifier now; route anew without it.")
    return found


def experts(door: Entry, find: Callable[[str], Entry]) -> tuple[Entry, ...]:
    """All experts of a door: those that its gate chooses between, and the one that reads texts.

    Raises:
        ModelError: one is not in the store any more.
    """
    text = door.card["route"].get("text")
    return tuple(expert(door, name, find) for name in (*door.card["student"]["labels"], *([text] if text else ())))
