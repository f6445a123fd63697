"""How a command ends: its result as tables for a person, or as one JSON document."""

from __future__ import annotations

from typing import Any, Protocol


class Result(Protocol):
    """What every verb returns."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""


def finish(verb: Any, result: Result, as_json: bool) -> None:
    """Show a result as its verb does, or as JSON."""
    if as_json:
        from edgekit.console import emit_json

        emit_json(result.to_dict())
    else:
        verb.show(result)
