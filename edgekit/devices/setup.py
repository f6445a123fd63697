"""``edgekit devices setup``: what a device needs, made once."""

from __future__ import annotations

from edgekit.console import print_facts, warn
from edgekit.devices.device import SetupResult, open_device


def set_up(device: str) -> SetupResult:
    """Prepare the device that ``--device`` names. Raises as ``open_device`` and ``Device.set_up`` do."""
    return open_device(device).set_up()


def show(result: SetupResult) -> None:
    """Print what is there now, and what is not."""
    print_facts(*result.facts())
    for name, reason in result.missing.items():
        warn(f"no {name}: {reason}.")
