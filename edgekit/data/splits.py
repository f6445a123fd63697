"""The names under which data sources keep their splits."""

from __future__ import annotations

ALIASES = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing"),
}


def split_called(name: str) -> str | None:
    """The split (``train``, ``validation`` or ``test``) that ``name`` stands for, in any case; None if none."""
    return next((split for split, names in ALIASES.items() if name.lower() in names), None)
