#!/usr/bin/env python3
"""Classify pictures or texts with the model in this folder: ``python3 app.py --help``.

Before anything else of the app is loaded, every file is compared with manifest.json, so that a broken copy says so
and does not give wrong answers. Needs Python 3.9.
"""

from __future__ import annotations

import hashlib
import json
import sys
from importlib import import_module
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
ADVICE = "copy the bundle again, or make it anew with 'edgekit deploy'"


def check_files(folder: Path) -> None:
    """Compare the bundle's files with their SHA-256 sums; SystemExit names the first one that differs."""
    try:
        sums = dict(json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["files"])
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        sys.exit(f"app.py: manifest.json is missing or broken; {ADVICE}.")
    for name, expected in sums.items():
        try:
            found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        except (OSError, ValueError) as exc:
            sys.exit(f"app.py: {ascii(name)[1:-1]} cannot be read ({getattr(exc, 'strerror', exc)}); {ADVICE}.")
        if found != expected:
            sys.exit(f"app.py: {name} is not the file that was deployed (its SHA-256 differs); {ADVICE}.")


if __name__ == "__main__":
    if sys.version_info < (3, 9):  # noqa: UP036
        sys.exit(f"app.py: Python {sys.version.split()[0]} is too old; use Python 3.9 or later.")
    try:
        check_files(FOLDER)
        sys.exit(import_module("classify.commands").main(FOLDER, sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
