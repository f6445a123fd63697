"""Write docs/commands.md from the commands' own --help; tests/test_docs.py fails when it is out of date."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from typer.testing import CliRunner

from edgekit.cli.derive import Group
from edgekit.cli.main import COMMANDS, app

PAGE = Path(__file__).parent / "commands.md"
HEAD = """# Commands

Every command exits with 0 on success, 1 on input that it cannot use, 2 on options that it does not know, and 3 when a
gate (`--max-drop`, `--budget`) is not met. With `--json` it prints one JSON document on stdout and nothing else there;
progress and remarks go to stderr. This page is made by `python docs/update_commands.py`.
"""


def names(group: Group) -> Iterator[str]:
    """The commands of a group and of the groups in it."""
    for name, command in group.commands.items():
        yield name
        if isinstance(command, Group):
            yield from (f"{name} {inner}" for inner in names(command))


def help_of(*words: str) -> str:
    """What ``edgekit WORDS --help`` prints."""
    done = CliRunner().invoke(app, [*words, "--help"], prog_name="edgekit", catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output.strip()


def page() -> str:
    """The whole page, its help 100 columns wide."""
    os.environ.update({"COLUMNS": "100", "TERMINAL_WIDTH": "100", "NO_COLOR": "1"})
    parts = [HEAD, f"```\n{help_of()}\n```\n"]
    parts.extend(f"## edgekit {name}\n\n```\n{help_of(*name.split())}\n```\n" for name in names(COMMANDS))
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
