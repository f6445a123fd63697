"""``edgekit evaluate``, ``compare``, ``profile``, ``predict`` and ``inspect``: what a model file does and costs."""

from __future__ import annotations

from typing import Annotated

import typer

from edgekit.cli.options import (
    Json,
    Models,
    Runtime,
    Shape,
    shapes,
)
from edgekit.cli.result import finish

measure = typer.Typer()


@measure.command()
def profile(
    models: Models = None,
    device: Annotated[
        list[str] | None,
        typer.Option(
            "--device", help="A device of the catalog, or ssh://user@host[:port]; may be repeated. [default: cpu]"
        ),
    ] = None,
    threads: Annotated[int, typer.Option("--threads", min=1, help="Threads of the runtime.")] = 1,
    runtime: Runtime = None,
    runs: Annotated[int, typer.Option("--runs", min=1, help="Time at least this many runs.")] = 50,
    seconds: Annotated[float, typer.Option("--seconds", min=0, max=300, help="Time for at least this long.")] = 1.0,
    pin: Annotated[
        str, typer.Option("--pin", help="Cores to keep to: auto (one for each thread), off, or numbers as in 2,3.")
    ] = "auto",
    shape: Shape = None,
    budget: Annotated[
        str,
        typer.Option(
            "--budget",
            metavar="LIMITS",
            help="On emulated boards, limits as in instructions=2e6,size=16000,memory=1e6; more: exit status 3.",
        ),
    ] = "",
    json: Json = False,
) -> None:
    """Say what model files cost on a device: bytes, memory, milliseconds."""
    from edgekit.catalog import taken
    from edgekit.profiling import profile as verb

    devices = tuple(device or ["cpu"])
    options = verb.ProfileOptions(
        devices, runtime or "", threads, runs, seconds, pin, budget=budget, shapes=shapes(shape)
    )
    result = verb.profile(models or [taken("")], options)
    finish(verb, result, json)
    result.require()
