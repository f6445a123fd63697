"""The one error of this package."""

from __future__ import annotations


class PictureError(ValueError):
    """A picture cannot be decoded, or does not show what it should; the message is a sentence for the user."""
