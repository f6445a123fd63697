"""HTML that is safe by construction: text is escaped unless it was made by ``element``."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

VOID = ("img", "input", "meta")


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def element(tag: str, /, *children: str, **attributes: str) -> Html:
    """``<tag attributes>children</tag>``; attributes and children that are not Html are escaped.

    An attribute that is a word of Python gets an underscore at its end: ``class_``.
    """
    start = "".join(f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"' for key, value in attributes.items())
    if tag in VOID:
        return Html(f"<{tag}{start}>")
    return Html(f"<{tag}{start}>{join(children)}</{tag}>")


def join(children: Iterable[str]) -> Html:
    """Markup and text, one after another; text is escaped."""
    return Html("".join(child if isinstance(child, Html) else escape(child) for child in children))
