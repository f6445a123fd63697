"""What a person or a program gets on stdout."""

from __future__ import annotations

import json
import math

import pytest

from edgekit.console import emit_json, print_facts, print_table, say


def test_json_has_null_where_a_figure_is_no_number(capsys: pytest.CaptureFixture[str]) -> None:
    emit_json({"scales": (1.5, math.nan), "inner": {"largest": math.inf, "count": 3}})
    assert json.loads(capsys.readouterr().out) == {"scales": [1.5, None], "inner": {"largest": None, "count": 3}}


def test_a_document_that_is_no_json_leaves_nothing_half_written(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(TypeError):
        emit_json({"first": 1, "second": object()})
    assert capsys.readouterr().out == ""


def test_names_in_a_table_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("", ("name",), [(":cat:",), ("[red]dog[/red]",)])
    printed = capsys.readouterr().out
    assert ":cat:" in printed
    assert "[red]dog[/red]" in printed


def test_control_characters_of_a_strangers_file_are_spelled_out(capsys: pytest.CaptureFixture[str]) -> None:
    print_facts("a \x1b[2Jtitle", [("input", "na\x1b]0;me\x07")])
    print_table("", ("name",), [("évil\x1b[31m",)])
    say("gone\x1b[2J")
    shown = capsys.readouterr()
    assert "\x1b" not in shown.out + shown.err
    assert "\\x1b[2J" in shown.err
    assert "évil" in shown.out
