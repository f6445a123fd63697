"""``edgekit devices``: preparing the devices that models are profiled on."""

from __future__ import annotations

from typing import Annotated

import typer

from edgekit.cli_options import Json
from edgekit.cli_result import finish

devices = typer.Typer(
    name="devices",
    help="Prepare devices: an emulated board, one over SSH, and what their figures are predicted from.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@devices.command()
def setup(
    device: Annotated[str, typer.Argument(metavar="DEVICE", help="A board of the catalog, as in raspberry-pi-4b.")],
    json: Json = False,
) -> None:
    """Prepare a device once: the emulator of a board."""
    from edgekit.devices.emulated import setup as verb

    finish(verb, verb.set_up(device), json)
