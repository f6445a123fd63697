"""The app of a Pi bundle, run as a program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


def environment() -> dict[str, str]:
    """Ours, without this checkout's packages."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "APP_"))}


def app(folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """Run the app of a bundle, without this checkout's packages in its way."""
    command = [sys.executable, str(folder / "app.py"), *map(str, words)]
    return subprocess.run(command, env=environment(), cwd="/", capture_output=True, text=True, timeout=60, check=False)


def lines(text: str) -> list[dict[str, Any]]:
    """The JSON lines in a program's output."""
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]
