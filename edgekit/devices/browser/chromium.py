"""A headless Chromium with a profile of its own, which ends with everything that it started."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from edgekit.closing import Closing
from edgekit.errors import DeviceError, UsageError

VARIABLE = "EDGEKIT_BROWSER"
NAMES = (
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
    *("chrome", "microsoft-edge", "brave-browser"),
)
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
    "C:/Program Files (x86)/Microsoft/Edge/Application/msedge.exe",
)
OPTIONS = (
    *("--headless=new", "--no-first-run", "--no-default-browser-check", "--disable-extensions"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-gpu", "--disable-dev-shm-usage"),
)
PREFIX = "edgekit-browser-"
LAUNCHER = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(end), fcntl.F_DUPFD_CLOEXEC, 10) for end in sys.argv[1:3]]
os.dup2(ends[0], 3)
os.dup2(ends[1], 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Puts two open files where Chromium looks for its pipes, at 3 and 4, and becomes the browser."""
SOCKET = "/org.chromium.Chromium.XXXXXX/SingletonSocket"
"""What Chromium opens in its temporary folder; it aborts where the whole name is longer than a socket's may be."""
SOCKET_CHARACTERS = 103
GRACE_S = 5
NOISE_BYTES = 2000


def find_browser() -> str:
    """The program that $EDGEKIT_BROWSER names, or the first Chromium or relative of it that is installed.

    Raises:
        UsageError: there is none.
    """
    if named := os.environ.get(VARIABLE):
        if found := shutil.which(named):
            return found
        raise UsageError(f"{VARIABLE} is {named}, which is no program; name a Chromium, Chrome or Edge.")
    for name in (*NAMES, *PLACES):
        if found := shutil.which(name):
            return found
    raise UsageError(f"--device browser needs Chromium, Chrome or Edge; install one, or name it in ${VARIABLE}.")


class Browser(Closing):
    """A browser that shows one address. A context manager that ends it and removes its profile.

    Everything that it writes lies in `folder`.
    """

    def __init__(self, program: str, address: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix=PREFIX, dir=_place(), ignore_cleanup_errors=True)
        self.folder = Path(self._folder.name)
        self._noise = self.folder / "noise.txt"
        # Chromium's own sandbox does not work for root; the page that is opened is ours.
        is_root = sys.platform != "win32" and os.geteuid() == 0
        options = (*OPTIONS, "--no-sandbox") if is_root else OPTIONS
        command = [program, *options, f"--user-data-dir={self.folder / 'profile'}", address]
        environment = {**os.environ, "TMPDIR": str(self.folder)}
        self._ties, ends = _ties()
        if ends:
            launcher = [sys.executable, "-I", "-S", "-c", LAUNCHER, *map(str, ends)]
            command = [*launcher, *command, "--remote-debugging-pipe"]
        try:
            with self._noise.open("wb") as noise:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=noise,
                    stderr=noise,
                    env=environment,
                    start_new_session=True,
                    pass_fds=ends,
                )
        finally:
            for end in ends:
                os.close(end)

    def require_running(self) -> None:
        """Raise if it has ended by itself.

        Raises:
            DeviceError: says how it ended.
        """
        if self._process.poll() is not None:
            lines = self._noise.read_text(errors="replace")[-NOISE_BYTES:].strip().splitlines()
            raise DeviceError(
                f"The browser ended with status {self._process.returncode} ({lines[-1] if lines else 'no message'}); "
                f"name another one in ${VARIABLE}."
            )

    def close(self) -> None:
        """End it with its children."""
        self._signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE_S)
        if sys.platform != "win32":
            self._signal(signal.SIGKILL)  # children that did not listen
        self._process.kill()
        self._process.wait()
        for tie in self._ties:
            os.close(tie)
        self._ties = ()
        self._folder.cleanup()

    def _signal(self, number: int) -> None:
        if sys.platform == "win32":
            self._process.terminate()
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


def _place() -> str | None:
    """The folder for temporary ones, or None for the usual; /tmp where the usual one's name leaves no room."""
    name = f"{tempfile.gettempdir()}/{PREFIX}XXXXXXXX{SOCKET}"
    return "/tmp" if sys.platform != "win32" and len(os.fsencode(name)) > SOCKET_CHARACTERS else None


def _ties() -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Our ends and the browser's of the pipes at which it waits for commands: when ours close, it ends.

    So it does not outlive this process, however that ends. Nothing is ever said there. None on Windows.
    """
    if sys.platform == "win32":
        return (), ()
    commands, answers = os.pipe(), os.pipe()
    return (commands[1], answers[0]), (commands[0], answers[1])
