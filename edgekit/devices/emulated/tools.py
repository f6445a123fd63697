"""The programs of this machine that the emulator is made of, and what to install where one is missing."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence

from edgekit.errors import EdgekitError, UsageError

PACKAGES: Mapping[str, str] = {"qemu-aarch64": "qemu-user", "apt-get": "apt", "dpkg-deb": "dpkg", "cc": "gcc"}
"""The Debian and Ubuntu package of each program."""
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
MAX_WORDS = 200
OLDEST, NEWEST = (5, 2), (8, 2)


def require_tools(*programs: str) -> None:
    """Check that this machine can have the emulator.

    Raises:
        UsageError: it is no Linux, or programs are missing; the message has the command that installs them.
    """
    if not sys.platform.startswith("linux"):
        raise UsageError(
            "Emulated devices need Linux, where QEMU has a user mode; measure on a device, or over ssh://."
        )
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        packages = " ".join(PACKAGES[program] for program in missing)
        raise UsageError(
            f"Emulated devices need {', '.join(missing)}, which is not installed; run: sudo apt-get install {packages}"
        )


def run_tool(
    command: Sequence[str], purpose: str, folder: str | None = None, environment: Mapping[str, str] | None = None
) -> str:
    """What a program prints.

    Raises:
        EdgekitError: it fails; ``purpose`` says what it was to do, as in "download the packages".
    """
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=False)
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        errors = [line for line in lines if line.startswith(("E:", "ERROR"))] or lines
        raise EdgekitError(
            f"Could not {purpose}: {command[0]} says: {errors[-1][:MAX_WORDS]}; check the network and the disk, then "
            "run it again."
        )
    return done.stdout


def qemu_version() -> str:
    """The version of the installed QEMU, as in 7.2.

    Raises:
        UsageError: it cannot count: its plugin interface is another one than that of 5.2 to 8.2, or it has none.
    """
    said = run_tool(["qemu-aarch64", "--version"], "ask QEMU for its version")
    found = re.search(r"version (\d+)\.(\d+)", said)
    version = (int(found[1]), int(found[2])) if found else (0, 0)
    if not OLDEST <= version <= NEWEST or "-plugin" not in run_tool(["qemu-aarch64", "-h"], "ask QEMU what it can do"):
        raise UsageError(
            f"The qemu-aarch64 of this machine ({version[0]}.{version[1]}) cannot count instructions as EdgeKit does; "
            "install QEMU 5.2 to 8.2 with plugins, as Debian 12 has it in qemu-user."
        )
    return f"{version[0]}.{version[1]}"
