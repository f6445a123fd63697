"""``edgekit devices setup``: what a device needs, made once."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.devices.device import open_device
from edgekit.options import Options, argument
from edgekit.result import Result


@dataclass(frozen=True)
class SetupOptions(Options):
    """Which device."""

    device: str = argument("A board of the catalog, as in raspberry-pi-4b, or ssh://user@host.", metavar="DEVICE")


def set_up(options: SetupOptions) -> Result:
    """Prepare the device that ``--device`` names. Raises as ``open_device`` and ``Device.set_up`` do."""
    return open_device(options.device).set_up()
