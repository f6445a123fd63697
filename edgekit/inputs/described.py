"""Which kind of contract a description is of, pictures or text, told in one place; an app has the files of one kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .contracts import Contract

WRITTEN = ("application/json", "text/plain")
"""Content types of texts."""


def read_contract(values: Mapping[str, Any]) -> Contract:
    """Read what ``to_dict`` or ``describe`` of either made, also after JSON.

    Raises:
        InputError: the values are impossible.
        KeyError, TypeError, ValueError: a key is missing, unknown or of the wrong type.
    """
    if "tokenizer" in values:
        from .text import TextContract

        return TextContract.from_dict(values)
    from .contract import InputContract

    return InputContract.from_dict(values)


def is_written(kind: str) -> bool:
    """Whether what came over HTTP with this content type is a text."""
    return kind.startswith(WRITTEN)
