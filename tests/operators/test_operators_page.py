"""docs/operators.md lists the operators that there are, and which of them have an int8 form."""

from __future__ import annotations

from pathlib import Path

from edgekit.operators import OPERATORS, operators_that

PAGE = Path(__file__).parents[2] / "docs" / "operators.md"
CONVERSIONS = {"QuantizeLinear", "DequantizeLinear"}


def rows() -> dict[str, str]:
    """What the page says of int8, by operator."""
    lines = [line.strip("|").split("|") for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:1] == "|"]
    return {name.strip(): cells[2].strip() for cells in lines[2:] for name in cells[0].split(",")}


def test_the_page_lists_every_operator_that_has_a_tflite_form() -> None:
    assert set(rows()) == set(OPERATORS)


def test_the_page_says_which_have_an_int8_form() -> None:
    assert {name for name, int8 in rows().items() if int8 == "yes"} - CONVERSIONS == operators_that(
        lambda row: row.int8
    )
