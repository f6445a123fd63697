"""What a person or a program gets on stdout."""

from __future__ import annotations

import json
import math
import sys
from collections import Counter

import pytest

from edgekit.console import (
    Table,
    counted,
    duration,
    emit_json,
    html_of,
    print_part,
    progress,
    quiet,
    say,
    text_of,
    warn,
)


def test_json_has_null_where_a_figure_is_no_number(capsys: pytest.CaptureFixture[str]) -> None:
    emit_json({"scales": (1.5, math.nan), "inner": {"largest": math.inf, "count": 3}})
    assert json.loads(capsys.readouterr().out) == {"scales": [1.5, None], "inner": {"largest": None, "count": 3}}


def test_a_document_that_is_no_json_leaves_nothing_half_written(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(TypeError):
        emit_json({"first": 1, "second": object()})
    assert capsys.readouterr().out == ""


def test_names_in_a_table_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    print_part(Table("", ("name",), [(":cat:",), ("[red]dog[/red]",)]))
    printed = capsys.readouterr().out
    assert ":cat:" in printed
    assert "[red]dog[/red]" in printed


def test_control_characters_of_a_strangers_file_are_spelled_out(capsys: pytest.CaptureFixture[str]) -> None:
    print_part(Table("a \x1b[2Jtitle", (), [("input", "na\x1b]0;me\x07")]))
    print_part(Table("", ("name",), [("évil\x1b[31m",)]))
    say("gone\x1b[2J")
    shown = capsys.readouterr()
    assert "\x1b" not in shown.out + shown.err
    assert "\\x1b[2J" in shown.err
    assert "évil" in shown.out


COLUMNS = ("file", "bytes", "95% interval", "peak", "what it is")
ROWS = (
    ("runs/a-long-name-of-a-run/model.int8.tflite", "3,620,340", "3.61 ms – 3.70 ms", "12.5 MB", "eight bits " * 8),
    ("model.onnx", "24,170", "3.1 ms – 3.2 ms", "unknown", "thirty-two bits"),
)


@pytest.mark.parametrize("width", [60, 80, 120, 200])
@pytest.mark.parametrize("columns", [(), COLUMNS[:2], COLUMNS])
def test_a_table_is_as_wide_as_the_terminal_at_most_and_nothing_is_cut(width: int, columns: tuple[str, ...]) -> None:
    rows = [row[: len(columns) or 2] for row in ROWS]
    lines = text_of(Table("a title " * 12, columns, rows), width).splitlines()
    assert max(map(len, lines)) <= width
    assert all(line == line.rstrip() for line in lines)
    assert all(any(number in line for line in lines) for row in rows for number in row[1:4])
    assert Counter("".join(cell for row in rows for cell in row)) - Counter("".join(lines)) - Counter(" ") == Counter()


def test_a_table_takes_what_its_content_needs() -> None:
    lines = text_of(Table("", ("name", "n"), [("a", "1"), ("b", "1,000")]), 200).splitlines()
    assert lines == ["name       n", "────────────", "a          1", "b      1,000"]


def test_a_table_is_narrowed_before_it_is_given_up() -> None:
    cells = tuple(f"{number},000" for number in range(1, 5))
    table = Table("", tuple("abcd"), [cells])
    assert text_of(table, 29).splitlines()[-1] == "   ".join(cells)
    assert text_of(table, 28).splitlines()[-1] == "  ".join(cells)


def test_few_rows_become_columns_where_these_fit() -> None:
    rows = [("model.int8.tflite", *("12.5 µs",) * 9, ""), ("model.onnx", *("1.25 ms",) * 9, "")]
    lines = text_of(Table("", ("file", *"abcdefghi", "k"), rows), 60).splitlines()
    assert lines[0] == "file   model.int8.tflite   model.onnx"
    assert lines[2].split() == ["a", "12.5", "µs", "1.25", "ms"]
    assert len(lines) == 2 + 9


def test_a_table_too_narrow_for_its_numbers_is_a_paragraph_for_each_row() -> None:
    cells = ("x.tflite", *(f"{number},000,000" for number in range(1, 8)))
    lines = text_of(Table("", tuple("abcdefgh"), [cells]), 60).splitlines()
    assert (
        lines == ["x.tflite", *(f"  {name}  {cell}" for name, cell in zip("bcdefgh", cells[1:], strict=True)), ""][:8]
    )


def test_the_name_of_a_column_of_numbers_is_folded_before_the_table_is_given_up() -> None:
    lines = text_of(Table("", ("layer", "alone dB", "weights dB"), [("first", "12.5", "7.25")]), 24).splitlines()
    assert lines[:2] == ["         alone   weights", "layer       dB        dB"]
    assert lines[-1] == "first     12.5      7.25"


def test_names_of_rows_and_lists_of_numbers_are_text_which_is_folded_between_words() -> None:
    cells = ("2 equalization (kept)", "48.8 dB, 100.00% agreement", "0.9 s")
    lines = text_of(Table("", ("rung", "against the float model", "took"), [cells]), 40).splitlines()
    assert [line.split() for line in lines[-3:]] == [
        ["2", "equalization", "48.8", "dB,", "0.9", "s"],
        ["(kept)", "100.00%"],
        ["agreement"],
    ]


def test_a_notebook_gets_the_same_cells() -> None:
    shown = html_of(Table("<t>", ("a", "b"), [("x & y", "1")]))
    assert "<caption>&lt;t&gt;</caption><tr><th>a</th><th>b</th></tr><tr><td>x &amp; y</td><td>1</td></tr>" in shown


def test_in_quiet_there_is_no_progress_and_no_remark(capsys: pytest.CaptureFixture[str]) -> None:
    with quiet():
        say("a remark")
        with progress("working", 1) as bar:
            bar.update(1)
        warn("a warning")
    say("a later remark")
    assert capsys.readouterr().err == "warning: a warning\na later remark\n"


def test_the_time_that_is_left_is_told_by_the_steps_since_the_first_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter((0.0, 100.0, 120.0, 140.0))  # the start, and a teacher who answers before the first step
    monkeypatch.setattr("edgekit.console.time.monotonic", lambda: next(clock))
    with progress("training", 100) as bar:
        for done, note in ((10, ""), (20, "epoch 1"), (30, "")):
            bar.update(done, note)
    lines = ["training: 10/100", "training: 20/100 epoch 1 160 s left", "training: 30/100 140 s left"]
    assert capsys.readouterr().err.splitlines() == lines


def test_what_stands_beside_a_bar_is_shown_as_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with progress("reading [own] data", 2) as bar:
        bar.update(1, "a[/b]/c.png [x] \x1b[2J")
    shown = capsys.readouterr().err
    assert "reading [own] data" in shown
    assert "a[/b]/c.png [x] \\x1b[2J" in shown


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (950, "0.95 µs"),
        (48_512, "48.5 µs"),
        (999_000, "999 µs"),
        (999_600, "1 ms"),
        (1.5e6, "1.5 ms"),
        (12.34e9, "12.3 s"),
        (4e12, "4000 s"),
    ],
)
def test_a_time_is_written_with_three_digits_and_the_unit_that_fits(nanoseconds: float, text: str) -> None:
    assert duration(nanoseconds) == text


def test_one_is_no_plural() -> None:
    assert [counted(count, "test images") for count in (0, 1)] == ["0 test images", "1 test image"]
    assert counted(2000, "epochs") == "2,000 epochs"
