"""Write docs/commands.md from the commands' own --help; tests/test_docs.py fails when it is out of date."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parent / "commands.md"
COMMANDS = (
    "demo",
    "teach",
    "distill",
    "quantize",
    "export",
    "evaluate",
    "compare",
    "profile",
    "predict",
    "inspect",
    "list",
    "deploy",
    "serve",
    "store",
    "store add",
    "store list",
    "store show",
    "store remove",
    "store gc",
    "devices",
    "devices setup",
    "devices calibrate",
)
HEAD = """# Commands

Every command exits with 0 on success, 1 on input that it cannot use, 2 on options that it does not know, and 3 when a
gate (`--max-drop`, `--budget`) is not met. With `--json` it prints one JSON document on stdout and nothing else there;
progress and remarks go to stderr. This page is made by `python docs/update_commands.py`.
"""


def help_of(*words: str) -> str:
    """What ``edgekit WORDS --help`` prints, 100 columns wide."""
    environment = {**os.environ, "COLUMNS": "100", "TERMINAL_WIDTH": "100", "NO_COLOR": "1"}
    command = [sys.executable, "-c", "from edgekit.cli.main import app; app(prog_name='edgekit')", *words, "--help"]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout.strip()


def page() -> str:
    """The whole page."""
    parts = [HEAD, f"```\n{help_of()}\n```\n"]
    parts.extend(f"## edgekit {name}\n\n```\n{help_of(*name.split())}\n```\n" for name in COMMANDS)
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
