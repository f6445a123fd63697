"""``edgekit devices setup ssh://…``: NumPy and the runtimes for the device's own python3, in a folder of their own.

Wheels for its architecture, Python and C library are fetched and unpacked here and sent over, so the device needs
neither pip nor the internet, and nothing of its system is changed. Removing the folder undoes it.
"""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import distributions
from io import BytesIO
from pathlib import Path
from typing import Any

from edgekit.console import Bar, Part, Table, Warn, progress
from edgekit.devices.ssh.address import SshAddress
from edgekit.devices.ssh.connection import Connection
from edgekit.devices.ssh.wheels import NUMPY, Interpreter, Package, fetch, require_numpy
from edgekit.errors import DeviceError
from edgekit.result import Result

FETCHING, SENDING = 50, 100
"""Steps of the progress display."""


@dataclass(frozen=True)
class SshSetup(Result):
    """``packages`` are the versions by name, ``missing`` why others are not there; ``folder`` holds them there."""

    device: str
    python: str
    architecture: str
    libc: str
    folder: str
    packages: Mapping[str, str]
    missing: Mapping[str, str]

    def parts(self) -> Iterator[Part]:
        """What is there now, and what is not."""
        rows = [("python", f"{self.python} ({self.architecture}, {self.libc})"), ("folder", self.folder)]
        rows += sorted(self.packages.items())
        yield Table(f"{self.device} is ready: edgekit profile MODEL --device {self.device}", (), rows)
        for name, reason in self.missing.items():
            yield Warn(f"no {name}: {reason}.")


def set_up(address: SshAddress) -> SshSetup:
    """Make an environment for the profiling worker on a device.

    Raises:
        UsageError: there is no ssh or pip here.
        DeviceError: no connection, no wheels for such a machine, or they do not work there; what was there stays.
        StorageError: the disk there is full.
    """
    with Connection(address) as connection, tempfile.TemporaryDirectory() as scratch:
        python = Interpreter.from_about(str(address), connection.about)
        require_numpy(str(address), python)
        with progress("setting up", FETCHING + SENDING) as bar:
            bar.update(0, "fetching wheels")
            folder = Path(scratch)
            missing = fetch(python.packages, python, folder)
            found = [package for package in python.packages if package.distribution not in missing]
            if set(found) <= {NUMPY} or NUMPY.distribution in missing:  # nothing can be measured then
                reasons = f"what it needs cannot be fetched here ({_told(missing)})"
                raise DeviceError(f"{address}: {reasons}; check the internet connection.")
            versions = {one.metadata["Name"]: one.version for one in distributions(path=[str(folder)])}
            bar.update(FETCHING, "sending")
            answer = _send(connection, folder, found, bar)
    for package in found:
        if package.module in answer["failures"]:
            missing[package.distribution] = f"it does not work there ({answer['failures'][package.module]})"
    if not answer["folder"]:
        raise DeviceError(f"{address}: no runtime works there, so nothing was changed: {_told(missing)}.")
    about = connection.about
    facts = (about["python"], about["architecture"], about["libc"])
    return SshSetup(str(address), *facts, answer["folder"], versions, missing)


def _told(missing: Mapping[str, str]) -> str:
    return "; ".join(f"{name}: {reason}" for name, reason in missing.items())


def _send(connection: Connection, folder: Path, packages: list[Package], bar: Bar) -> dict[str, Any]:
    """Send the packages; the keeper's answer."""
    packed = BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as archive:
        for path in sorted(folder.iterdir()):
            if path.name != "bin":  # scripts for an interpreter here
                archive.add(path, path.name, filter=lambda item: None if "__pycache__" in item.name else item)
    modules = [package.module for package in packages if package != NUMPY]  # each imports NumPy

    def watch(share: float) -> None:
        bar.update(FETCHING + int(share * SENDING), "sending" if share < 1 else "unpacking there")

    answer = connection.ask({"packages": "", "imports": modules}, packed.getvalue(), watch)
    installed: dict[str, Any] = answer["installed"]
    return installed
