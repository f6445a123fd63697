"""Device cards: what a device is, with where each fact is from. One TOML file per device; a user's own overlay ours.

A card has a ``summary`` and the name of its ``driver``. A board's card (``driver = "board"``) also has the tables

    [hardware]    its processor and memory, and [hardware.sources], where each of these facts is from
    [emulator]    QEMU's name of the processor, and the text of the board's own /proc/cpuinfo
    [[latency]]   fitted coefficients of the latency model, one table per runtime, precision and threads

A user's own cards are in the folder of ``user_folder``; one with the name of ours replaces it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from edgekit.catalog import catalog_folder, read_toml
from edgekit.devices import drivers
from edgekit.errors import EdgekitError, UnknownNameError
from edgekit.recipe import known_keys

DRIVERS = tuple(module.name for module in iter_modules(drivers.__path__))
SLOWEST_MHZ, FASTEST_MHZ = 100, 10_000
"""So a clock in Hz or GHz is not taken for one in MHz."""


@dataclass(frozen=True)
class Hardware:
    """A board's processor and memory. Caches of data in KiB, of one core unless shared, 0 for none.

    ``bandwidth_gbs`` is what memcpy copies with one thread, in 10⁹ bytes a second. ``sources`` has a text per fact.
    """

    soc: str
    core: str
    isa: tuple[str, ...]
    clock_mhz: float
    cores: int
    l1d_kib: int
    l2_kib: int
    l3_kib: int
    memory_mib: int
    bandwidth_gbs: float
    sources: Mapping[str, str]

    def __post_init__(self) -> None:
        for name in ("clock_mhz", "cores", "l1d_kib", "memory_mib", "bandwidth_gbs"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or not value > 0:
                raise EdgekitError(f"{name} = {value!r} of {self.soc} must be a number above 0.")
        if not SLOWEST_MHZ <= self.clock_mhz <= FASTEST_MHZ:
            raise EdgekitError(
                f"clock_mhz = {self.clock_mhz:g} of {self.soc} is not in MHz: {SLOWEST_MHZ} to {FASTEST_MHZ}."
            )
        facts = {item.name for item in fields(self)} - {"sources"}
        if unsourced := sorted(facts - set(self.sources)):
            raise EdgekitError(f"The facts {', '.join(unsourced)} of {self.soc} have no source in [hardware.sources].")


@dataclass(frozen=True)
class Emulator:
    """``cpu`` is QEMU's name of the processor; ``cpuinfo`` the text of /proc/cpuinfo of the board, from ``source``."""

    cpu: str
    cpuinfo: str
    source: str = ""

    def __post_init__(self) -> None:
        if "CPU part" not in self.cpuinfo:
            raise EdgekitError(
                f"The cpuinfo of {self.cpu} names no 'CPU part', by which runtimes choose their kernels."
            )

    @property
    def cores(self) -> int:
        """The number of processors that it lists."""
        return sum(line.startswith("processor") for line in self.cpuinfo.splitlines())


@dataclass(frozen=True)
class DeviceCard:
    """A device. ``latency`` are the tables of the latency model, which ``edgekit.devices.latency`` reads."""

    name: str
    summary: str
    driver: str
    hardware: Hardware | None = None
    emulator: Emulator | None = None
    latency: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        if self.driver not in DRIVERS:
            raise UnknownNameError(f"driver (devices/{self.name}.toml)", self.driver, DRIVERS)


def user_folder() -> Path:
    """Where a user's own cards are: $EDGEKIT_DEVICES, or edgekit/devices in the user's configuration folder."""
    if named := os.environ.get("EDGEKIT_DEVICES"):
        return Path(named)
    home = os.environ.get("XDG_CONFIG_HOME")
    return (Path(home) if home else Path.home() / ".config") / "edgekit" / "devices"


def card_paths() -> dict[str, Path]:
    """Every device's card, by name; the user's own in place of ours."""
    folders = (catalog_folder("devices"), user_folder())
    found = {path.stem: path for folder in folders for path in folder.glob("*.toml")}
    return dict(sorted(found.items()))


def device_card(name: str) -> DeviceCard:
    """Read the card of a device.

    Raises:
        UnknownNameError: there is no such device, or its card has an unknown key or driver.
        EdgekitError: the card lacks a key, or a fact is missing or wrong.
    """
    paths = card_paths()
    if name not in paths:
        raise UnknownNameError("device", name, paths)
    path = paths[name]
    try:
        return _card(name, known_keys(DeviceCard, read_toml(path), str(path)), str(path))
    except (TypeError, ValueError, AttributeError) as exc:
        raise EdgekitError(
            f"{path} lacks a key or has one of the wrong type ({exc}); compare with its neighbours."
        ) from exc


def _card(name: str, document: Mapping[str, Any], source: str) -> DeviceCard:
    hardware, emulator = document.get("hardware"), document.get("emulator")
    known: dict[str, Any] = {**document, "name": name, "latency": tuple(document.get("latency", ()))}
    if hardware is not None:
        facts = known_keys(Hardware, hardware, f"{source} [hardware]")
        known["hardware"] = Hardware(**{**facts, "isa": tuple(facts["isa"])})
    if emulator is not None:
        known["emulator"] = Emulator(**known_keys(Emulator, emulator, f"{source} [emulator]"))
    return DeviceCard(**known)
