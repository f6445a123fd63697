"""What a verb gives back: a record that is shown as tables, in a terminal or a notebook, or becomes a document."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from edgekit.console import WIDTH, Part, html_of, text_of


class Result:
    """Base of the dataclasses that verbs give back."""

    def parts(self) -> Iterator[Part]:
        """What a person is shown, in order."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {item.name: plain(getattr(self, item.name)) for item in fields(self)}  # type: ignore[arg-type]

    def deliver(self, show: Callable[[], None]) -> None:
        """Have the result shown, then do what is left: fail at a gate, or serve until a signal comes."""
        show()

    def __str__(self) -> str:
        return "\n".join(text_of(part, WIDTH) for part in self.parts())

    def _repr_html_(self) -> str:
        return "".join(map(html_of, self.parts()))


def plain(value: Any) -> Any:
    """A value as JSON can hold it: records as their ``to_dict`` says, or by their fields."""
    if hasattr(value, "to_dict"):
        return value.to_dict()
    if is_dataclass(value):
        return {item.name: plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value
