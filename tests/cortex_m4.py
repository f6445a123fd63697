"""The example for a Cortex-M4: built with zig, and run in QEMU."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

EXAMPLE = Path(__file__).parents[1] / "examples" / "cortex-m4"
INSTRUCTIONS_OF_A_TICK = 40
"""In QEMU: the clock has 25 MHz, and an instruction takes 1 ns."""


@dataclass(frozen=True)
class Ran:
    """What the program answered to all images, what an inference takes, and the bytes of stack that it used."""

    answers: bytes
    instructions: int
    stack: int


def example(folder: Path) -> Path:
    """A copy of the example, which a model.c and model.h are to be written into."""
    return Path(shutil.copytree(EXAMPLE, folder / "cortex-m4"))


def make(folder: Path, *words: str) -> str:
    """What make says of a copy of the example."""
    command = ["make", f"ZIG={sys.executable} -m ziglang", *words]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout


def run(folder: Path, images: bytes) -> Ran:
    """Run the program of a copy of the example."""
    (folder / "images.bin").write_bytes(images)
    said = make(folder, "run")
    found = re.search(r"images (\d+), ticks (\d+), stack (\d+)\n", said)
    assert found, said
    count, ticks, stack = map(int, found.groups())
    return Ran((folder / "answers.bin").read_bytes(), ticks * INSTRUCTIONS_OF_A_TICK // count, stack)
