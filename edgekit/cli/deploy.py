"""``edgekit deploy`` and ``serve``: from a model file to an app, and to a service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgekit.cli.options import Domain, Json, Labels, Mean, Pixels, Std, home_of, input_options, taken_run
from edgekit.cli.result import finish

deploying = typer.Typer()


@deploying.command()
def deploy(
    model: Annotated[
        str,
        typer.Argument(metavar="[MODEL]", help="A file, a run folder or a student's name. [default: the newest run]"),
    ] = "",
    target: Annotated[
        str, typer.Option("--target", help="pi: an app for a Raspberry Pi; web: a page for a phone.")
    ] = "pi",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Folder for the bundle. [default: runs/NAME/TARGET]")
    ] = None,
    archive: Annotated[bool, typer.Option("--archive", help="Also write the bundle as one file, DIR.tar.gz.")] = False,
    runtime: Annotated[
        str | None, typer.Option("--runtime", help="litert or ort. [default: the target's best]")
    ] = None,
    mean: Mean = "",
    std: Std = "",
    pixels: Pixels = 1,
    domain: Domain = "",
    labels: Labels = None,
    json: Json = False,
) -> None:
    """Make a working app of a model file: for a Raspberry Pi, or for a phone."""
    from edgekit.deployment import deploy as verb

    model = model or taken_run()
    given = input_options(mean, std, pixels, domain, labels)
    options = verb.DeployOptions(model, target, out or home_of(model) / target, archive, runtime, given)
    finish(verb, verb.deploy(options), json)
