"""Latency tables in device cards: the last part of a card's file, written by commands and never by hand."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgekit.devices.latency.model import LatencyTable
from edgekit.files import write_text

MARK = "# Written by 'edgekit devices calibrate'; do not edit below this line."
MARKS = re.compile(r"^# Written by .*; do not edit below this line\.$", re.MULTILINE)


def write_tables(path: Path, text: str, tables: Sequence[LatencyTable]) -> None:
    """Write a card, atomically, with these latency tables in place of those that its ``text`` has.

    Raises:
        StorageError: the folder cannot be written.
    """
    write_text(path, with_tables(text, tables))


def with_tables(text: str, tables: Sequence[LatencyTable]) -> str:
    """The text of a card up to its mark, then the tables."""
    head = MARKS.split(text)[0].rstrip()
    return "\n\n".join([head, MARK, *map(_toml, tables)]) + "\n" if tables else head + "\n"


def _toml(table: LatencyTable) -> str:
    return "\n".join(["[[latency]]", *(toml_line(key, value) for key, value in table.to_dict().items())])


def toml_line(key: str, value: str | float | Mapping[str, float]) -> str:
    """A line of TOML for a text, a number or an inline table of numbers above 0."""
    if isinstance(value, Mapping):
        inside = ", ".join(f"{json.dumps(name)} = {_value(number)}" for name, number in value.items() if number > 0)
        return f"{key} = {{ {inside} }}"
    return f"{key} = {_value(value)}"


def _value(value: str | float) -> str:
    # A TOML float needs a point or an exponent with digits around it: 4 significant ones say all there is to say.
    return json.dumps(float(f"{value:.4g}") if isinstance(value, float) else value, ensure_ascii=False)
