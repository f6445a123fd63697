"""``edgekit devices``: preparing the devices that models are profiled on."""

from __future__ import annotations

from typing import Annotated

import typer

from edgekit.cli.options import Json
from edgekit.cli.result import finish

devices = typer.Typer(
    name="devices",
    help="Prepare devices: an emulated board, one over SSH, and what their figures are predicted from.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@devices.command()
def setup(
    device: Annotated[
        str, typer.Argument(metavar="DEVICE", help="A board of the catalog, as in raspberry-pi-4b, or ssh://user@host.")
    ],
    json: Json = False,
) -> None:
    """Prepare a device once: the emulator of a board, or the runtimes on a device over SSH."""
    from edgekit.devices import setup as verb

    finish(verb, verb.set_up(device), json)


@devices.command()
def calibrate(
    device: Annotated[str, typer.Argument(metavar="DEVICE", help="A device that measures: cpu, or ssh://user@host.")],
    threads: Annotated[int, typer.Option("--threads", min=1, help="Threads of the runtimes.")] = 1,
    name: Annotated[str, typer.Option("--name", help="Name of the card. [default: NAME-calibrated]")] = "",
    runtime: Annotated[
        str, typer.Option("--runtime", metavar="NAMES", help="Runtimes, as in litert,ort. [default: both]")
    ] = "",
    json: Json = False,
) -> None:
    """Measure small networks on a device for some minutes, so that other networks can be predicted there."""
    from edgekit.profiling import calibrate as verb

    finish(verb, verb.calibrate(device, threads, name, tuple(filter(None, runtime.split(",")))), json)
