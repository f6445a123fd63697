"""A command made of a verb and the record of its options, and only when it is asked for: verbs load what they need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import Parameter, Signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer
from typer.core import TyperGroup

from edgekit import __version__
from edgekit.api.verbs import Verb
from edgekit.options import Place, build, flag_of, places

if TYPE_CHECKING:
    from edgekit.result import Result

KINDS = (bool, int, float, str, Path)
"""What a word on the command line can become, without help."""
NUMBERS = {int: "N", float: "NUMBER"}
"""What stands for an option's word in the help if the option names nothing better; for others its own name does."""
JSON = "Print one JSON document on stdout, and nothing else there."
PLAIN: Mapping[str, Any] = {"rich_markup_mode": None, "pretty_exceptions_enable": False, "add_completion": False}


@dataclass(frozen=True)
class Group:
    """Commands under a common first word."""

    summary: str
    commands: Mapping[str, Verb[Any] | Group]


def _show_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"edgekit {__version__}")
        raise typer.Exit


ShowVersion = Annotated[
    bool, typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True)
]


def with_version(version: ShowVersion = False) -> None:
    """The options of the program itself."""


def app_of(name: str, group: Group, options: Callable[..., None] = lambda: None) -> typer.Typer:
    """The program: its commands are made when they are called or explained; ``options`` come before them."""
    made = {key: _command(key, value) for key, value in group.commands.items()}

    class Commands(TyperGroup):
        def __init__(self, **details: Any) -> None:
            super().__init__(**details)
            self.commands: dict[str, Any] = dict.fromkeys(made)  # for their names

        def get_command(self, ctx: Any, cmd_name: str) -> Any:
            return made[cmd_name]() if cmd_name in made else None

        def format_commands(self, ctx: Any, formatter: Any) -> None:
            with formatter.section("Commands"):
                formatter.write_dl([(key, value.summary) for key, value in group.commands.items()])

    settings = {"help_option_names": ["-h", "--help"]}
    app = typer.Typer(
        name=name, cls=Commands, help=group.summary, no_args_is_help=True, context_settings=settings, **PLAIN
    )
    app.callback()(options)
    return app


def _command(name: str, made_of: Verb[Any] | Group) -> Callable[[], Any]:
    def make() -> Any:
        if isinstance(made_of, Group):
            return typer.main.get_command(app_of(name, made_of))
        app = typer.Typer(**PLAIN)
        app.command(name, help=made_of.summary)(_body(made_of))
        return typer.main.get_command(app)

    return make


def _body(made_of: Verb[Any]) -> Callable[..., None]:
    """A function with the options of a verb as its signature, as typer reads it."""
    verb, record = made_of.load()

    def body(json: bool, **texts: Any) -> None:
        given = {name: text for name, text in texts.items() if text not in (None, "", [])}
        finish(verb(build(record, given)), json)

    parameters = [_parameter(place) for place in places(record)]
    as_json = Annotated[bool, typer.Option("--json", help=JSON)]
    parameters.append(Parameter("json", Parameter.KEYWORD_ONLY, default=False, annotation=as_json))
    body.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    return body


def finish(result: Result, as_json: bool) -> None:
    """Print a result as tables or as JSON, and do what it leaves to be done."""

    def show() -> None:
        if as_json:
            from edgekit.console import emit_json

            emit_json(result.to_dict())
        else:
            from edgekit.console import print_part

            for part in result.parts():
                print_part(part)

    result.deliver(show)


def _parameter(place: Place) -> Parameter:
    option, name = place.option, place.item.name
    kind: Any = str if option.read else next(kind for kind in KINDS if kind in (place.hint, *get_args(place.hint)))
    default = Parameter.empty if place.is_required else place.item.default
    metavar = option.metavar or "|".join(option.choices) or NUMBERS.get(kind, name.rpartition("_")[2].upper())
    if option.many:
        kind = list[kind]
    if default is not Parameter.empty and (option.many or not isinstance(default, KINDS)):
        default = None
    details: dict[str, Any] = {
        "help": f"{option.help} [default: {option.unset}]" if option.unset else option.help,
        "metavar": metavar,
        "min": option.least,
        "max": option.most,
        "show_default": default is not False and default not in (None, "", Parameter.empty),
    }
    how: Any = typer.Argument(**details) if option.positional else typer.Option(flag_of(place.item), **details)
    optional = kind | None if default is None else kind
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[optional, how])
