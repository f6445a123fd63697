"""The one error of this package."""

from __future__ import annotations

import difflib
from collections.abc import Sequence


class InputError(ValueError):
    """A picture cannot be decoded or shows not what it should, or a contract is impossible; a sentence for the user."""


def nearest(name: str, known: Sequence[str]) -> str:
    """What helps with a name that is none of the known: the nearest of them, or all."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known) or 'none'}."


def unknown(what: str, name: str, known: Sequence[str]) -> InputError:
    """That there is no such name, with the nearest one."""
    return InputError(f"No {what} is called '{name}'; {nearest(name, known)}")
