"""The one error of this package."""

from __future__ import annotations


class InputError(ValueError):
    """A picture cannot be decoded or shows not what it should, or a contract is impossible; a sentence for the user."""
