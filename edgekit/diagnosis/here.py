"""What this machine has for EdgeKit: the interpreter, processor and packages, and for each command what it lacks."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from edgekit import __version__, extras
from edgekit.console import Part, Table
from edgekit.devices.browser.chromium import find_browser
from edgekit.devices.cards import user_folder
from edgekit.devices.emulated.setup import require_parts
from edgekit.devices.emulated.tools import PACKAGES, qemu_version, require_tools
from edgekit.devices.ssh.connection import require_ssh
from edgekit.diagnosis.facilities import Facility, shown
from edgekit.errors import EdgekitError
from edgekit.files import user_cache
from edgekit.modelfiles.runtime_choice import require_runtime, runtime_python
from edgekit.result import Result
from edgekit.runtimes.int8_kernels import int8_kernels
from edgekit.runtimes.worker import machine
from edgekit.web.npm import find_package
from edgekit.web.page_files import RUNTIMES as PAGE_RUNTIMES

USUAL_BOARD = "raspberry-pi-4b"
"""The board whose setup is proposed; what is made for it serves all."""


@dataclass(frozen=True)
class Here(Result):
    """This machine. ``processor`` has the facts of ``edgekit.runtimes.worker.machine.describe``."""

    version: str
    python: str
    processor: Mapping[str, Any]
    int8: str
    packages: Mapping[str, str]
    folders: Mapping[str, str]
    facilities: tuple[Facility, ...]

    def parts(self) -> Iterator[Part]:
        """What is here, and what is missing for which command."""
        facts = self.processor
        cores = f"{facts['usable_cores']} of {facts['cores']} cores"
        memory = f", {facts['memory_bytes'] / 2**30:.1f} GiB of memory" if facts["memory_bytes"] else ""
        rows = [
            ("python", self.python),
            ("processor", f"{facts['cpu']} ({facts['architecture']}), {cores}{memory}"),
            ("instructions", " ".join(facts["features"]) or "none that matter here"),
            ("int8 by", self.int8),
            ("packages", ", ".join(map(" ".join, self.packages.items()))),
            *self.folders.items(),
        ]
        yield Table(f"edgekit {self.version} on {facts['system']}", (), rows)
        yield from shown(self.facilities)


def look_here() -> Here:
    """Look at this machine; nothing is changed or fetched."""
    facts = machine.describe()
    libc = " ".join(platform.libc_ver()).strip()
    python = f"{platform.python_version()} ({platform.python_implementation()}{f', {libc}' if libc else ''})"
    found = (
        *map(_extra, extras.EXTRAS),
        _tried("tflite-runtime", "--runtime tflite-runtime", _tflite_runtime),
        _tried("ssh", "--device ssh://user@host", require_ssh),
        _tried("browser", "--device browser", find_browser),
        _tried("page runtimes", "deploy --target web, --device browser and phone", _page_runtimes),
        _tried("emulator", "profile and compare --device of a board", _emulator),
    )
    folders = {"cache": str(user_cache()), "own devices": str(user_folder())}
    packages = dict(extras.versions())
    return Here(
        __version__,
        f"{python}, {sys.executable}",
        facts,
        int8_kernels(facts["features"]),
        packages,
        folders,
        found,
    )


def _extra(name: str) -> Facility:
    wanted = extras.packages(name)
    unknown = (
        ""
        if wanted
        else "EdgeKit was installed before it had this"
        if extras.packages()
        else "EdgeKit is not installed"
    )
    missing = ", ".join(filter(None, map(extras.lacking, wanted))) or unknown
    found = ", ".join(map(" ".join, extras.versions(name)))
    return Facility(name, extras.EXTRAS[name], found, missing, extras.install(name) if missing else "")


def _tried(name: str, purpose: str, find: Callable[[], str]) -> Facility:
    """A facility that a command would look for in the same way; what it would say if it did not find it."""
    try:
        return Facility(name, purpose, find())
    except EdgekitError as exc:
        why, _, run = str(exc).rpartition("; ")
        return Facility(name, purpose, "", why, run.removeprefix("run: ").rstrip("."))


def _tflite_runtime() -> str:
    name = "tflite-runtime"
    python = runtime_python(name)
    return python if python != sys.executable else require_runtime(name).version()


def _page_runtimes() -> str:
    packages = [find_package(name) for name in PAGE_RUNTIMES]
    return ", ".join(f"{package.title} {package.version}: {package.source()}" for package in packages)


def _emulator() -> str:
    require_tools(*PACKAGES)
    version = qemu_version()
    require_parts(USUAL_BOARD)
    return f"QEMU {version}, set up"
