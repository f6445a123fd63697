"""``edgekit store``: models kept under names in one SQLite file, for ``edgekit serve --store``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgekit.cli.options import Domain, Json, Labels, Mean, Pixels, Std, input_options
from edgekit.cli.result import finish

store = typer.Typer(
    name="store",
    help="Keep model files by content hash with their cards, under names, for 'edgekit serve --store'.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

StoreFile = Annotated[
    Path | None,
    typer.Option("--store", metavar="FILE", help="The store. [default: $EDGEKIT_STORE, or store.db in your data]"),
]
Names = Annotated[list[str], typer.Argument(metavar="NAME...", help="Names, or hashes of six digits and more.")]


def store_file(named: Path | None) -> Path:
    """The store that an option names, or the user's own."""
    from edgekit.store.store import default_store

    return named or default_store()


@store.command()
def add(
    models: Annotated[list[str], typer.Argument(metavar="MODEL...", help="Files, run folders or students' names.")],
    name: Annotated[str, typer.Option("--name", help="Its name in the store. [default: the file's or folder's]")] = "",
    replace: Annotated[bool, typer.Option("--replace", help="Let a name stand for another model than before.")] = False,
    mean: Mean = "",
    std: Std = "",
    pixels: Pixels = 1,
    domain: Domain = "",
    labels: Labels = None,
    file: StoreFile = None,
    json: Json = False,
) -> None:
    """Keep model files, each checked and described once."""
    from edgekit.store import commands as verb

    given = input_options(mean, std, pixels, domain, labels)
    finish(verb, verb.add(store_file(file), models, name, replace, given), json)


@store.command("list")
def list_(file: StoreFile = None, json: Json = False) -> None:
    """List the models of the store."""
    from edgekit.store import commands as verb

    finish(verb, verb.list_(store_file(file)), json)


@store.command()
def show(
    model: Annotated[str, typer.Argument(metavar="NAME", help="A name, or a hash of six digits and more.")],
    file: StoreFile = None,
    json: Json = False,
) -> None:
    """Show the card of a model."""
    from edgekit.store import commands as verb

    finish(verb, verb.show_one(store_file(file), model), json)


@store.command()
def remove(models: Names, file: StoreFile = None, json: Json = False) -> None:
    """Forget names; the files stay until gc."""
    from edgekit.store import commands as verb

    finish(verb, verb.remove(store_file(file), models), json)


@store.command()
def gc(file: StoreFile = None, json: Json = False) -> None:
    """Remove the files that no name stands for, and check the bytes of all others."""
    from edgekit.store import commands as verb

    swept = verb.gc(store_file(file))
    finish(verb, swept, json)
    swept.require_sound()
