"""What an arbitrary picture must go through before a model sees it: one file for each domain, found by name.

Each has ``fit(image, shape)``: a picture uint8 [h, w, c] to the uint8 [H, W, C] that a model of this domain was trained
on. It raises InputError where the picture does not show what the model knows.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

from ..error import unknown


def domains() -> tuple[str, ...]:
    """The names of all domains, sorted."""
    return tuple(sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py")))


def require_domain(name: str) -> None:
    """Raise InputError, with the nearest name, unless there is a domain called ``name``."""
    known = domains()
    if name not in known:
        raise unknown("input domain", name, known)


def find_domain(name: str) -> ModuleType:
    """The domain called ``name``, which there is."""
    return importlib.import_module(f".{name}", __package__)
