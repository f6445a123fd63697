"""The documentation says what is so: commands.md is the commands' own help, and the examples run."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.main import get_command

from edgekit.cli.main import app
from edgekit.data.dataset import Dataset

ROOT = Path(__file__).parent.parent
PAGES = ("README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")))
BLOCK = re.compile(
    r"(?P<skip><!-- not run by the tests:[^>]*-->\n)?```(?P<language>sh|python)\n(?P<body>.*?)```", re.DOTALL
)


def examples(page: str) -> list[str]:
    """The command lines of a page's ``sh`` blocks, but for those that a comment says are not run and why."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [
        line
        for block in BLOCK.finditer(text)
        if not block["skip"] and block["language"] == "sh"
        for line in block["body"].splitlines()
        if line.startswith("edgekit")
    ]


def test_the_page_of_commands_is_their_own_help() -> None:
    made = subprocess.run(
        [sys.executable, "-c", "import update_commands as page; print(page.page(), end='')"],
        cwd=ROOT / "docs",
        capture_output=True,
        text=True,
        check=True,
    )
    assert made.stdout == (ROOT / "docs" / "commands.md").read_text(encoding="utf-8"), "run docs/update_commands.py"


def test_the_readmes_table_is_what_the_benchmarks_measured() -> None:
    code = "import table, sys; t = table.README.read_text(); sys.exit(t != table.readme_with_table(t))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT / "benchmarks", check=False)
    assert done.returncode == 0, "run benchmarks/table.py"


def test_every_command_and_option_has_help_and_stands_on_the_page() -> None:
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    group: Any = get_command(app)
    for name in group.list_commands(None):
        command = group.get_command(None, name)
        section = page.split(f"## edgekit {name}\n")[1].split("\n## ")[0]
        assert command.help
        for option in command.params:
            assert option.help, f"{name} {option.name} has no help"
            for flag in option.opts:
                if flag.startswith("--"):
                    assert flag in section


@pytest.mark.parametrize("page", PAGES)
def test_the_examples_of_a_page_run(page: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "docs" / "images", tmp_path / "docs" / "images")
    for line in examples(page):
        words = [sys.executable, "-m", "edgekit", *shlex.split(line, comments=True)[1:]]
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, env=os.environ, check=False)
        assert done.returncode == 0, f"{line}\n{done.stderr}"


def test_links_between_the_pages_lead_somewhere() -> None:
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def python_of(page: str) -> list[str]:
    """The ``python`` blocks of a page."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [block["body"] for block in BLOCK.finditer(text) if block["language"] == "python"]


def test_the_python_page_runs(mnist: Dataset, tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", mnist.train.images[:400])
    np.save(tmp_path / "labels.npy", mnist.train.labels[:400])
    shutil.copy(ROOT / "docs" / "images" / "seven.png", tmp_path / "digit.png")
    code = "\n".join(python_of("docs/python.md"))
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "did you mean 'mnist-tiny'?" in done.stdout


def test_the_python_of_the_readme_is_of_the_python_page() -> None:
    lines = {line.strip() for block in python_of("docs/python.md") for line in block.splitlines()}
    (shown,) = python_of("README.md")
    assert {line.strip() for line in shown.splitlines()} <= lines
