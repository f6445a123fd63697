"""The model as C, compiled: the bundle's library for this processor, or one that is made here.

./install.sh calls it as a program, which makes the library where it is missing. Needs no package.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

SOURCES = ("model.c", "host.c")
COMPILERS = ("cc", "gcc", "clang")
SMALL = {"aarch64": "armv7l", "armv8l": "armv7l", "x86_64": "i686"}
"""What a processor of 64 bits is to a system of 32."""
MADE = "made-"


def processor() -> str:
    """What the bundle calls this system's processor."""
    machine = platform.machine()
    return SMALL.get(machine, machine) if sys.maxsize < 2**32 else machine


def library(source: Path) -> Path:
    """Where the library of a model's C is, or is to be made; a made one belongs to exactly this source."""
    bundled = source.with_name(f"{processor()}.so")
    if bundled.is_file():
        return bundled
    return source.with_name(f"{MADE}{hashlib.sha256(source.read_bytes()).hexdigest()[:16]}.so")


def make_library(source: Path) -> str:
    """Compile the library if it is missing; what is in the way as a sentence, or an empty text."""
    wanted = library(source)
    if wanted.is_file():
        return ""
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        return (
            f"the bundle has no library for {processor()}, and no C compiler is here to make one; run: "
            "sudo apt install gcc libc6-dev (Alpine: apk add gcc musl-dev)"
        )
    unfinished = wanted.with_suffix(".part")
    command = [compiler, "-std=c99", "-O3", "-shared", "-fPIC", *SOURCES, "-o", unfinished.name]
    done = subprocess.run(command, cwd=source.parent, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["no message"])[0]
        return f"{compiler} does not compile {source.name} ({said}); is libc6-dev (Alpine: musl-dev) installed?"
    for old in source.parent.glob(f"{MADE}*.so"):
        old.unlink()
    os.replace(unfinished, wanted)
    return ""


if __name__ == "__main__":
    complaint = make_library(Path(__file__).resolve().parents[1] / "c" / "model.c")
    sys.exit(f"install.sh: {complaint}" if complaint else 0)
