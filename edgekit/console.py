"""What a person sees: progress and remarks on stderr, results on stdout. A pipe gets plain lines."""

from __future__ import annotations

import html
import json
import math
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as Grid

PLAIN_INTERVAL_S = 10.0
WIDTH = 120
"""Columns that a table may take where no terminal says how many there are."""
GAPS = (3, 2)
"""Columns between two of a table; fewer where it does not fit, or would be folded, otherwise."""
FEW = 4
"""So many rows are turned into columns before a table is turned into a paragraph for each."""
FOLDED = 24
"""To this width text is folded before a table is turned into a paragraph for each row; numbers are never folded."""


_QUIET = ContextVar("quiet", default=False)


def printable(text: str) -> str:
    """Text with control characters spelled out: a name in a stranger's file must not steer the terminal."""
    return "".join(
        char if char.isprintable() or char == "\n" else char.encode("unicode_escape", "replace").decode()
        for char in text
    )


def duration(nanoseconds: float) -> str:
    """A time with three significant digits and the unit that fits."""
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        value = float(f"{nanoseconds / size:.3g}")  # rounded first, so that 999.6 µs becomes 1 ms
        if value >= 1 or unit == "µs":
            break
    return f"{value:.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"


def counted(count: int, nouns: str) -> str:
    """``1 epoch`` or ``2,000 epochs``, for ``epochs``."""
    return f"{count:,} {nouns.removesuffix('s') if count == 1 else nouns}"


def say(text: str) -> None:
    """A remark for a person, on stderr."""
    if not _QUIET.get():
        print(printable(text), file=sys.stderr, flush=True)


def warn(text: str) -> None:
    """A warning for a person, on stderr."""
    print(printable(f"warning: {text}"), file=sys.stderr, flush=True)


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


@contextmanager
def quiet() -> Iterator[None]:
    """No progress and no remarks meanwhile; warnings stay."""
    token = _QUIET.set(True)
    try:
        yield
    finally:
        _QUIET.reset(token)


@contextmanager
def progress(label: str, total: int) -> Iterator[Bar]:
    """Show progress over ``total`` steps: a live bar on a terminal, a plain line now and then otherwise."""
    if _QUIET.get() or not sys.stderr.isatty():
        yield _PlainBar(label, total)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    named, noted = (TextColumn(text, markup=False) for text in ("{task.description}", "{task.fields[note]}"))
    shown = (named, BarColumn(), noted, TimeRemainingColumn())
    with Progress(*shown, console=Console(stderr=True), transient=True) as display:
        task = display.add_task(printable(label), total=total, note="")

        class Live:
            def update(self, done: int, note: str = "") -> None:
                display.update(task, completed=done, note=printable(note))

        yield Live()


@contextmanager
def changing_table() -> Iterator[Callable[[Table], None]]:
    """What shows a table in place of the one before; where there is no terminal its title now and then."""
    if _QUIET.get() or not sys.stderr.isatty():
        last = time.monotonic()

        def titled(table: Table) -> None:
            nonlocal last
            if time.monotonic() - last >= PLAIN_INTERVAL_S:
                last = time.monotonic()
                say(table.title)

        yield titled
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(stderr=True)
    with Live(console=console, transient=True, auto_refresh=False) as display:
        yield lambda table: display.update(Text.from_ansi(text_of(table, console.width, True)), refresh=True)


class _PlainBar:
    def __init__(self, label: str, total: int) -> None:
        self.label, self.total = label, total
        self.last = time.monotonic()
        self.begun: tuple[float, int] | None = None

    def update(self, done: int, note: str = "") -> None:
        """What comes before the first step that is told, as a teacher's answers, says nothing of the pace of others."""
        now = time.monotonic()
        since, before = self.begun = self.begun or (now, done)
        if now - self.last < PLAIN_INTERVAL_S or done == 0:
            return
        self.last = now
        left = f"{(now - since) / (done - before) * (self.total - done):.0f} s left" if done > before else ""
        say(" ".join(filter(None, (f"{self.label}: {done}/{self.total}", note, left))))


@dataclass(frozen=True)
class Table:
    """Rows of text cells under named columns; without columns, rows of a name and its value."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


class Remark(str):
    """A line beside the result, which a command says on stderr."""


class Warn(Remark):
    """A remark that casts doubt on the result."""


Part = Table | str
"""A table, a line of the result, or a remark."""


def print_part(part: Part) -> None:
    """Print a remark on stderr, all else on stdout, as wide as the terminal."""
    if isinstance(part, Remark):
        say(text_of(part, WIDTH))
    else:
        width = shutil.get_terminal_size((WIDTH, 0)).columns
        print(text_of(part, width, sys.stdout.isatty()), flush=True)


def text_of(part: Part, width: int, styled: bool = False) -> str:
    """A part as text without trailing blanks; no line is longer than ``width`` but lines that are no table."""
    if isinstance(part, str):
        return printable(f"warning: {part}" if isinstance(part, Warn) else part)
    from rich.console import Console

    plain: dict[str, Any] = {"markup": False, "emoji": False, "highlight": False, "force_jupyter": False}
    console = Console(width=width, force_terminal=styled, **plain)
    with console.capture() as captured:
        _print(console, part)
    return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"


def _print(console: Console, table: Table) -> None:
    from rich.table import Table as Grid

    if table.title:
        console.print(printable(table.title), style="italic", overflow="fold")
    rows = [tuple(map(printable, row)) for row in table.rows]
    if not table.columns:
        facts = Grid.grid(padding=(0, 2, 0, 0), pad_edge=True)
        facts.add_column(no_wrap=True)
        facts.add_column(overflow="fold")
        for name, value in rows:
            facts.add_row(f"  {name}", value)
        console.print(facts)
        return
    table = Table("", table.columns, rows)
    for shown in (table, *_turned(table)):
        if (grid := _grid(shown, console.width)) is not None:
            console.print(grid)
            return
    for first, *others in rows:
        cells = zip(table.columns[1:], others, strict=True)
        _print(console, Table(first, (), [(name, cell) for name, cell in cells if cell]))


def _grid(table: Table, room: int) -> Grid | None:
    """The table as it is drawn; None where it does not fit."""
    from rich import box
    from rich.table import Table as Grid

    columns = [_Column(place, *cells) for place, cells in enumerate(zip(table.columns, *table.rows, strict=True))]
    rooms = {gap: room - gap * (len(columns) - 1) for gap in GAPS}
    whole = [gap for gap in GAPS if sum(column.width for column in columns) <= rooms[gap]]
    for gap in whole or GAPS:
        if (widths := _widths(columns, rooms[gap])) is None:
            continue
        grid = Grid(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, gap - 2))
        for column, width in zip(columns, widths, strict=True):
            grid.add_column(column.name, justify="right" if column.counts else "left", width=width, overflow="fold")
        for row in table.rows:
            grid.add_row(*row)
        return grid
    return None


def _turned(table: Table) -> Iterator[Table]:
    """A table of few rows with these as columns; none where that would be no narrower."""
    if 1 < len(table.rows) <= FEW < len(table.columns):
        head, *rows = zip(table.columns, *table.rows, strict=True)
        yield Table("", head, [row for row in rows if any(row[1:])])


class _Column:
    """The cells of a column: what they take, and whether they are numbers, which the first column's names never are.

    Numbers stay whole; text is folded between words, and within those that are longer than FOLDED.
    """

    def __init__(self, place: int, name: str, *cells: str) -> None:
        from rich.cells import cell_len

        self.name = name
        self.width = max(map(cell_len, (name, *cells)))
        self.counts = place > 0 and 2 * sum(map(_is_number, cells)) > len([*filter(None, cells)])
        words = (word for text in (name, *(() if self.counts else cells)) for word in text.split())
        longest = max(map(cell_len, words), default=0)
        self.least = max(longest, *map(cell_len, cells)) if self.counts else min(longest, FOLDED)


def _is_number(cell: str) -> bool:
    """True for a number with its unit or interval; false for a list of such, which is text."""
    return cell.lstrip("+-–−")[:1].isdigit() and ", " not in cell.partition("(")[0]


def _widths(columns: Sequence[_Column], room: int) -> list[int] | None:
    """The columns' widths, the widest folded first, so that all fit; None if they cannot."""
    widths = [column.width for column in columns]
    while sum(widths) > room:
        spare = [(width, index) for index, width in enumerate(widths) if width > columns[index].least]
        if not spare:
            return None
        widths[max(spare)[1]] -= 1
    return widths


def html_of(part: Part) -> str:
    """A part as HTML, for a notebook."""
    if isinstance(part, str):
        return f"<p>{_escaped(part)}</p>"
    rows = [_row_of("td", row) for row in part.rows]
    return f"<table><caption>{_escaped(part.title)}</caption>{_row_of('th', part.columns)}{''.join(rows)}</table>"


def _row_of(tag: str, cells: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{_escaped(cell)}</{tag}>' for cell in cells)}</tr>" if cells else ""


def _escaped(text: str) -> str:
    return html.escape(printable(text))
