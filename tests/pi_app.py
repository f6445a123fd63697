"""The app of a Pi bundle, run as a program, and its service in a thread."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgekit.deployment.pi.files.classify.model import Model
from edgekit.deployment.pi.files.classify.service import Server


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


@contextmanager
def running(model: Model, token: str = "") -> Iterator[int]:
    """The service of a model in a thread; its port."""
    server = Server(model, "127.0.0.1", 0, token)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
