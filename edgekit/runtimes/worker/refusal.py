"""Why a task cannot be done, in a form that crosses the process border."""

from __future__ import annotations

MAX_CHARACTERS = 160


class Refusal(Exception):
    """The task cannot be done; ``kind`` says why: the ``model``, a missing ``runtime``, or an impossible ``option``."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


def first_line(exc: BaseException) -> str:
    """The first line of a native runtime's complaint, cut to what a person reads, without its trailing full stop."""
    text = str(exc).strip() or type(exc).__name__
    return text.splitlines()[0][:MAX_CHARACTERS].rstrip(". ")
