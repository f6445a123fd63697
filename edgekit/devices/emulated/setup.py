"""``edgekit devices setup BOARD``: everything that an emulated board needs, made once and kept in the user's cache.

    CACHE/emulated/system-bookworm/     a small Debian for arm64
    CACHE/emulated/runtimes-HASH/       the aarch64 wheels, at the versions in use here
    CACHE/emulated/plugin-HASH/         the plugin that counts, for the QEMU in use here
    CACHE/emulated/board-NAME-HASH/     one board: the system, seen with that board's /proc/cpuinfo

Each folder has its content in ``root`` and the checksums of what it was made of in ``checksums.json``. It appears under
its name when it is complete, so an interrupted setup goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgekit.console import Part, Table, progress
from edgekit.devices.cards import DeviceCard, Emulator
from edgekit.devices.emulated import parts
from edgekit.devices.emulated.tools import qemu_version, require_tools, run_tool
from edgekit.errors import UsageError
from edgekit.files import storage_errors, user_cache, write_json
from edgekit.result import Result

SYSTEM_FOLDERS = ("usr", "lib", "etc")
Maker = Callable[[Path, Path], parts.Checksums]


@dataclass(frozen=True)
class Installation:
    """Folders of one emulated board: its file system, the runtimes' packages; and the plugin's file."""

    system: Path
    runtimes: Path
    plugin: Path

    @property
    def python(self) -> Path:
        """The board's Python."""
        return self.system / "usr" / "bin" / f"python{parts.PYTHON}"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a process of the board."""
        return {
            "PYTHONHOME": str(self.system / "usr"),
            "PYTHONPATH": str(self.runtimes),
            "PYTHONHASHSEED": "0",
            "PATH": os.environ.get("PATH", os.defpath),
            "LC_ALL": "C.UTF-8",
        }

    def command(self, cpu: str, log: Path | None = None) -> tuple[str, ...]:
        """The board's Python with the processor ``cpu``, counted into the file ``log`` if there is one."""
        plugin = ("-plugin", f"{self.plugin},log={log}") if log else ()
        return ("qemu-aarch64", "-cpu", cpu, *plugin, "-L", str(self.system), str(self.python))


@dataclass(frozen=True)
class BoardSetup(Result):
    """What a board was set up from: file names and their SHA-256."""

    device: str
    folder: str
    made: tuple[str, ...]
    checksums: Mapping[str, str]

    def parts(self) -> Iterator[Part]:
        """What was made."""
        rows = [("folder", self.folder), ("made now", ", ".join(self.made) or "nothing: it was complete")]
        rows.append(("made from", f"{len(self.checksums)} files, checksums in checksums.json of each folder"))
        rows.append(("next", f"edgekit profile MODEL --device {self.device}"))
        yield Table(self.device, (), rows)


def set_up(card: DeviceCard) -> BoardSetup:
    """Make what is missing for a board.

    Raises:
        UsageError: it is not an emulated one, or a program is missing here.
        EdgekitError: a download, an unpacking or the compiler failed.
        StorageError: the cache cannot be written.
    """
    emulator = require_emulator(card)
    require_tools("qemu-aarch64", "apt-get", "dpkg-deb", "cc")
    made: list[str] = []
    checksums: dict[str, str] = {}
    makers = _makers()
    with progress(f"setting up {card.name}", len(makers) + 1) as bar:
        for done, (title, (folder, make)) in enumerate(makers.items()):
            bar.update(done, title)
            if not folder.is_dir():
                _make(folder, make)
                made.append(title)
            checksums.update(json.loads((folder / "checksums.json").read_text()))
        bar.update(len(makers), "trying it out")
        found = installation(card)
        command = [*found.command(emulator.cpu), "-c", "import numpy, onnxruntime, ai_edge_litert.interpreter"]
        run_tool(command, "load the runtimes on it", environment=found.environment)
    return BoardSetup(card.name, str(_home()), tuple(made), checksums)


def installation(card: DeviceCard) -> Installation:
    """The folders of a board that has been set up.

    Raises:
        UsageError: it has not, or not for the versions of the runtimes and of QEMU that are in use now.
    """
    emulator = require_emulator(card)
    require_parts(card.name)
    folders = {title: folder / "root" for title, (folder, _) in _makers().items()}
    return Installation(_board(card, emulator), folders["runtimes"], folders["plugin"] / "count_instructions.so")


def require_parts(board: str) -> None:
    """Check that what all boards share has been made.

    Raises:
        UsageError: it has not, or not for the versions in use now; the message has the command for ``board``.
    """
    require_tools("qemu-aarch64")
    if missing := [title for title, (folder, _) in _makers().items() if not folder.is_dir()]:
        raise UsageError(
            f"{board} is not set up here ({', '.join(missing)} missing); run: edgekit devices setup {board}"
        )


def require_emulator(card: DeviceCard) -> Emulator:
    """The card's table of the emulator.

    Raises:
        UsageError: it has none.
    """
    if card.emulator is None:
        raise UsageError(f"{card.name} is not emulated; its card has no [emulator].")
    return card.emulator


def _home() -> Path:
    return user_cache() / "emulated"


def _makers() -> dict[str, tuple[Path, Maker]]:
    """Each part with its folder, whose name holds what it depends on, and the function that makes it."""
    runtimes = _hash(*parts.requirements())
    plugin = _hash(parts.SOURCE.read_text(), qemu_version())
    return {
        "system": (_home() / f"system-{parts.SUITE}", parts.make_system),
        "runtimes": (_home() / f"runtimes-{runtimes}", parts.make_runtimes),
        "plugin": (_home() / f"plugin-{plugin}", parts.make_plugin),
    }


def _make(folder: Path, make: Maker) -> None:
    with storage_errors(folder, "EDGEKIT_CACHE"):
        folder.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".making-", dir=folder.parent))
        try:
            (work / "done" / "root").mkdir(parents=True)
            checksums = make(work / "done" / "root", work / "scratch")
            write_json(work / "done" / "checksums.json", checksums)
            try:
                os.replace(work / "done", folder)
            except OSError:
                if not folder.is_dir():  # otherwise another process was faster, and made the same
                    raise
        finally:
            shutil.rmtree(work, ignore_errors=True)


def _board(card: DeviceCard, emulator: Emulator) -> Path:
    """The folder that QEMU takes for the board's root: the system, and the files that runtimes choose kernels by."""
    system = _makers()["system"][0] / "root"
    folder = _home() / f"board-{card.name}-{_hash(emulator.cpuinfo, str(system))}"

    def make(root: Path, _: Path) -> parts.Checksums:
        for name in SYSTEM_FOLDERS:
            (root / name).symlink_to(system / name)
        processors = root / "sys" / "devices" / "system" / "cpu"
        processors.mkdir(parents=True)
        for name in ("possible", "present", "online"):
            (processors / name).write_text(f"0-{emulator.cores - 1}\n")
        (root / "proc").mkdir()
        (root / "proc" / "cpuinfo").write_text(emulator.cpuinfo)
        return {}

    if not folder.is_dir():
        _make(folder, make)
    return folder / "root"


def _hash(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]
