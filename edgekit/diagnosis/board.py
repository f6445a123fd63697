"""What a device over SSH has for EdgeKit, which wheels fit it, and what will not work there and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from edgekit.console import Part, Table, counted, say
from edgekit.devices.ssh.address import SshAddress
from edgekit.devices.ssh.connection import Connection
from edgekit.devices.ssh.wheels import MODERN, NO_LITERT, NUMPY, Interpreter, Package, fitting, require_numpy
from edgekit.diagnosis.facilities import Facility, shown
from edgekit.errors import DeviceError
from edgekit.result import Result
from edgekit.runtimes.int8_kernels import int8_kernels

PURPOSES = {
    "numpy": "profile and evaluate --device, the app of deploy --target pi",
    "ai-edge-litert": ".tflite files",
    "tflite-runtime": ".tflite files",
    "onnxruntime": ".onnx files",
}
PREDECESSOR = "tflite-runtime"
Fitting = Callable[[Package, Interpreter], tuple[str, str]]


@dataclass(frozen=True)
class Board(Result):
    """A device. ``about`` is what its keeper says; ``refusals`` are sentences: what cannot work there, and why."""

    device: str
    about: Mapping[str, Any]
    int8: str
    facilities: tuple[Facility, ...]
    refusals: tuple[str, ...]

    def parts(self) -> Iterator[Part]:
        """What is there, what is missing, and what will not work."""
        about = self.about
        processor = about["processor"] or about["kernel"]
        rows = [
            ("system", " ".join(filter(None, (about["release"] or about["system"], f"({about['kernel']} kernel)")))),
            ("python", f"{about['python']} ({about['implementation']}, {about['architecture']})"),
            ("C library", about["libc"] or "unknown"),
            ("processor", f"{processor}, {counted(about['cores'], 'cores')}"),
            ("int8 by", self.int8),
        ]
        yield Table(self.device, (), rows)
        if self.facilities:
            yield from shown(self.facilities)
        if self.refusals:
            yield Table("does not work", (), [(f"{number}.", text) for number, text in enumerate(self.refusals, 1)])


def look_at(address: SshAddress) -> Board:
    """Look at a device. Nothing is changed there, and nothing is fetched here.

    Raises:
        UsageError: there is no ssh or pip here.
        DeviceError: no connection comes about, or there is no python3 there.
    """
    with Connection(address) as connection:
        about = {key: value for key, value in connection.about.items() if key != "folder"}
    say(f"{address} answers; asking which wheels fit it")
    return board_of(str(address), about)


def board_of(device: str, about: Mapping[str, Any], fits: Fitting = fitting) -> Board:
    """Judge a device by what its keeper says."""
    refusals = [*_narrow(about)]
    facilities: tuple[Facility, ...] = ()
    try:
        python = Interpreter.from_about(device, about)
        with ThreadPoolExecutor() as pool:
            facilities = tuple(pool.map(partial(_facility, device, about, python, fits), _wanted(python)))
        require_numpy(device, python)
    except DeviceError as exc:
        refusals.append(str(exc))
    return Board(device, about, int8_kernels(about["features"]), facilities, tuple(refusals))


def _narrow(about: Mapping[str, Any]) -> Iterator[str]:
    """What a 32-bit system lacks, wherever it runs."""
    if about["architecture"] not in NO_LITERT:
        return
    system, remedy = "a 32-bit system", "use --runtime tflite-runtime"
    if about["kernel"] in MODERN:
        system, remedy = "a 32-bit system on a 64-bit board", "install the 64-bit system, which it can run"
    yield f"LiteRT and ONNX Runtime have no wheels for {system}; {remedy}."


def _wanted(python: Interpreter) -> tuple[Package, ...]:
    return python.packages if NUMPY in python.packages else (NUMPY, *python.packages)


def _facility(device: str, about: Mapping[str, Any], python: Interpreter, fits: Fitting, package: Package) -> Facility:
    """A package: there, or fitting and not there, or without a wheel for such an interpreter."""
    name = package.distribution
    found = about["sent"].get(name) or about["own"].get(name) or ""
    if found:
        where = "sent by devices setup" if name in about["sent"] else "of its own python3"
        return Facility(name, PURPOSES[name], f"{found}, {where}")
    if package not in python.packages:
        return Facility(name, PURPOSES[name], "", "not installed", "sudo apt install python3-numpy")
    version, reason = fits(package, python)
    if version:
        return Facility(name, PURPOSES[name], "", f"{version} fits, not installed", f"edgekit devices setup {device}")
    said = f"no wheel for Python {about['python']} on {python.architecture} ({reason})"
    way = "its last wheels are for Python 3.11: use Debian 12" if name == PREDECESSOR else "use another Python there"
    return Facility(name, PURPOSES[name], "", said, way)
