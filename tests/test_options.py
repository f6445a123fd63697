"""Options in one place: a record's fields are checked, flattened, and become a command."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from edgekit.api.verbs import Verb
from edgekit.cli.derive import Group, app_of
from edgekit.console import Part
from edgekit.errors import UnknownNameError, UsageError
from edgekit.options import Options, argument, build, group, numbers, option, shapes
from edgekit.result import Result


@dataclass(frozen=True)
class Colour(Options):
    """Inner options."""

    shade: str = option("How dark.", "light", choices=("light", "dark"))
    mix: tuple[float, ...] = option("Parts of each.", (), read=numbers, unset="white")


@dataclass(frozen=True)
class PaintOptions(Options):
    """Options of a verb."""

    walls: tuple[str, ...] = argument("Which walls.", metavar="WALL...", many=True)
    coats: int = option("How often.", 2, least=1, most=9)
    out: Path | None = option("Where.", None, metavar="DIR", unset="here")
    sizes: dict[str, tuple[int, ...]] = option("How large.", {}, many=True, read=shapes, metavar="NAME=1x2")
    dry: bool = option("Wait.", False)
    colour: Colour = group(Colour)
    note: str = "not for the command line"


@dataclass(frozen=True)
class Painted(Result):
    """What a verb gives back."""

    options: PaintOptions

    def parts(self) -> list[Part]:  # type: ignore[override]
        return [str(self.options)]


def paint(options: PaintOptions) -> Painted:
    """A verb."""
    return Painted(options)


APP = app_of("brush", Group("Paint.", {"paint": Verb(f"{__name__}:paint", "Paint walls.")}))


def painted(*words: str) -> str:
    done = CliRunner().invoke(APP, ["paint", *words])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.output


def test_values_go_by_name_to_the_record_or_to_an_inner_one() -> None:
    made = build(PaintOptions, {"walls": ["a", "b"], "shade": "dark", "out": "x", "mix": (0.5,)})
    assert made == PaintOptions(("a", "b"), out=Path("x"), colour=Colour("dark", (0.5,)))
    assert build(PaintOptions, {"walls": "a"}).walls == ("a",)
    assert build(PaintOptions, {"walls": "a", "colour": Colour("dark")}).colour.shade == "dark"


@pytest.mark.parametrize("texts", ["a=1x2", ["a=1x2"], ("a=1x2",)])
def test_one_text_or_several_are_read_wherever_they_are_given(texts: object) -> None:
    assert build(PaintOptions, {"walls": "a", "sizes": texts}).sizes == {"a": (1, 2)}
    assert PaintOptions(("a",), sizes=texts).sizes == {"a": (1, 2)}  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="--sizes takes NAME=SIZES with sizes like 1x3x224x224, not 'a'"):
        build(PaintOptions, {"walls": "a", "sizes": ["a"]})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"walls": "a", "coat": 2}, "No option is called 'coat'; did you mean 'coats'?"),
        ({"walls": "a", "shade": "darc"}, "No value of --shade is called 'darc'; did you mean 'dark'?"),
        ({"walls": "a", "coats": 0}, "--coats 0 is not allowed; give a number from 1 to 9"),
        ({"walls": "a", "coats": math.nan}, "--coats nan is not allowed"),
        ({}, "'walls' is missing"),
    ],
)
def test_what_is_not_allowed_is_said_in_a_sentence(values: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("?", r"\?")):
        build(PaintOptions, values)


def test_a_command_reads_every_kind_of_option() -> None:
    words = ("north", "south", "--coats", "3", "--out", "x", "--sizes", "a=1x2", "--sizes", "b=3", "--dry", "--mix")
    expected = PaintOptions(("north", "south"), 3, Path("x"), {"a": (1, 2), "b": (3,)}, True, Colour(mix=(0.5, 1.0)))
    assert painted(*words, "0.5,1").strip() == str(expected)
    assert painted("north").strip() == str(PaintOptions(("north",)))


def test_a_text_that_is_no_value_is_answered_with_what_is_taken() -> None:
    with pytest.raises(UsageError, match="--mix takes numbers separated by commas, not 'a'"):
        painted("north", "--mix", "a")
    with pytest.raises(UsageError, match="--sizes takes NAME=SIZES"):
        painted("north", "--sizes", "a=1y2")
    with pytest.raises(UnknownNameError, match="did you mean 'light'"):
        painted("north", "--shade", "lihgt")


def test_help_says_what_the_record_says() -> None:
    shown = " ".join(painted("--help").split())
    for text in ("Paint walls.", "Where. [default: here]", "light|dark", "Parts of each. [default: white]", "1<=x<=9"):
        assert text in shown
    assert "--note" not in shown


def test_a_group_tells_its_commands_without_loading_them() -> None:
    app = app_of("brush", Group("Paint.", {"never": Verb("no_such_module:verb", "Not loaded.")}))
    assert isinstance(app, typer.Typer)
    assert "Not loaded." in CliRunner().invoke(app, ["--help"]).output
    assert "Did you mean 'never'" in CliRunner().invoke(app, ["nevr"]).output
