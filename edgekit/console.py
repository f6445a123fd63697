"""What a person sees: progress and remarks on stderr, results on stdout. A pipe gets plain lines."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

PLAIN_INTERVAL_S = 10.0


def printable(text: str) -> str:
    """Text with control characters spelled out: a name in a stranger's file must not steer the terminal."""
    return "".join(
        char if char.isprintable() or char == "\n" else char.encode("unicode_escape", "replace").decode()
        for char in text
    )


def say(text: str) -> None:
    """A remark for a person, on stderr."""
    print(printable(text), file=sys.stderr, flush=True)


def warn(text: str) -> None:
    """A warning for a person, on stderr."""
    say(f"warning: {text}")


def emit_json(document: Any) -> None:
    """The one JSON document of a command called with --json, on stdout."""
    sys.stdout.write(json.dumps(_finite(document), indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    sys.stdout.flush()


def _finite(value: Any) -> Any:
    """A document in which null stands for NaN and infinity, which JSON has not: a stranger's file may hold some."""
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


class Bar(Protocol):
    """A running progress display."""

    def update(self, done: int, note: str = "") -> None:
        """``done`` of the total steps are done; ``note`` is shown beside the bar."""


Display = Callable[[str, int], AbstractContextManager[Bar]]
"""Called as ``progress`` is."""


@contextmanager
def progress(label: str, total: int) -> Iterator[Bar]:
    """Show progress over ``total`` steps: a live bar on a terminal, a plain line now and then otherwise."""
    if not sys.stderr.isatty():
        yield _PlainBar(label, total)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as display:
        task = display.add_task(label, total=total, note="")

        class Live:
            def update(self, done: int, note: str = "") -> None:
                display.update(task, completed=done, note=note)

        yield Live()


class _PlainBar:
    def __init__(self, label: str, total: int) -> None:
        self.label, self.total = label, total
        self.started = self.last = time.monotonic()

    def update(self, done: int, note: str = "") -> None:
        now = time.monotonic()
        if now - self.last < PLAIN_INTERVAL_S or done == 0:
            return
        self.last = now
        left = (now - self.started) / done * (self.total - done)
        say(f"{self.label}: {done}/{self.total} {note} {left:.0f} s left")


def print_table(title: str, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """A table of text cells on stdout; all columns but the first are right-aligned."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD)
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right", overflow="fold")
    for row in rows:
        table.add_row(*map(printable, row))
    width = None if sys.stdout.isatty() else 160
    Console(width=width, markup=False, emoji=False).print(table)


def print_facts(title: str, rows: list[tuple[str, str]]) -> None:
    """Named values on stdout, one line each, below a title."""
    width = max(len(name) for name, _ in rows)
    print(printable(title))
    for name, value in rows:
        print(f"  {name:<{width}}  {printable(value)}")
