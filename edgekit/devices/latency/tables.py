"""Latency tables in device cards: the last part of a card's file, written by commands and never by hand."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from edgekit.devices.latency.model import LatencyTable
from edgekit.files import write_text

MARK = "# Written by 'edgekit devices calibrate' or benchmarks/devices/fit.py; do not edit below this line."
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
    values = table.to_dict()
    rates = values.pop("coefficients")
    lines = [f"{key} = {_value(value)}" for key, value in values.items()]
    inline = ", ".join(f"{json.dumps(name)} = {_value(rate)}" for name, rate in rates.items() if rate > 0)
    return "\n".join(["[[latency]]", *lines, f"coefficients = {{ {inline} }}"])


def _value(value: str | float) -> str:
    # A TOML float needs a point or an exponent with digits around it: 4 significant ones say all there is to say.
    return json.dumps(float(f"{value:.4g}") if isinstance(value, float) else value, ensure_ascii=False)
