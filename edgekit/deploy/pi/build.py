"""The files of a Pi bundle."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from edgekit.deploy.bundle import Bundle
from edgekit.deploy.deploy import DeployOptions
from edgekit.deploy.student import Student

RUNTIMES = ("litert", "ort")


def build(student: Student, options: DeployOptions) -> Bundle:
    """The bundle of a student."""
    description = json.dumps(student.to_dict(), indent=1, ensure_ascii=False) + "\n"
    return Bundle({student.file: student.data, "model.json": description.encode()})


def next_commands(folder: Path) -> tuple[str, ...]:
    """From this machine to the board, and a first prediction there."""
    return (f"scp -r {shlex.quote(str(folder))} pi@raspberrypi.local:",)
