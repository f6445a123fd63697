"""``edgekit serve``: a web bundle or a store of models over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgekit.cli.options import Json
from edgekit.cli.result import finish

serving = typer.Typer()


@serving.command()
def serve(
    path: Annotated[
        Path | None,
        typer.Argument(
            metavar="[BUNDLE]",
            help="A web bundle's folder; with --store, a store's file. [default: the newest bundle; your store]",
        ),
    ] = None,
    store: Annotated[bool, typer.Option("--store", help="Serve the models of a store.")] = False,
    lan: Annotated[bool, typer.Option("--lan", help="Let the local network in, not this machine alone.")] = False,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="TCP port; 0 takes a free one.")] = 8000,
    certificate: Annotated[
        Path | None, typer.Option("--certificate", metavar="FILE", help="Certificate for https, in PEM form.")
    ] = None,
    key: Annotated[Path | None, typer.Option("--key", metavar="FILE", help="Its private key.")] = None,
    memory: Annotated[
        int, typer.Option("--memory", metavar="MIB", help="What a store's open models may use in all.")
    ] = 1024,
    json: Json = False,
) -> None:
    """Serve a web bundle to browsers, or the models of a store to programs."""
    from edgekit.service import serve as verb

    options = verb.ServeOptions(path, store, lan, port, verb.certificate_of(certificate, key), memory)
    server = verb.Server(options)
    server.run(lambda: finish(verb, server.serving, json))
