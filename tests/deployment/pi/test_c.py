"""The bundle of a model in C: no runtime, a library for each processor, or one that the board compiles."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pi_app import app, lines

from edgekit.conversion.c import c_program
from edgekit.conversion.c.build import Target
from edgekit.conversion.c.build import build as build_program
from edgekit.conversion.c.library import MACHINES
from edgekit.deployment.deploy import DeployOptions, deploy
from edgekit.deployment.pi import build
from edgekit.deployment.pi.files.classify import library


@pytest.fixture
def sources(tflite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle that was made where zig is not."""
    monkeypatch.setattr(build, "installed", lambda name: "")
    deploy(DeployOptions(str(tflite), "pi", tmp_path / "sources", runtime="c"))
    return tmp_path / "sources"


def test_it_needs_no_runtime_and_holds_a_library_for_each_processor(c_bundle: Path) -> None:
    needs = (c_bundle / "requirements.txt").read_text().splitlines()
    assert [line.split(">")[0] for line in needs if not line.startswith("#")] == ["numpy", "pillow"]
    assert {path.stem for path in c_bundle.glob("c/*.so")} == {"aarch64", "armv6l", "armv7l", "x86_64"}
    assert not [path for ending in ("*.tflite", "litert.py") for path in c_bundle.rglob(ending)]
    assert "It is compiled for aarch64, armv6l, armv7l, x86_64;" in (c_bundle / "README.md").read_text()


def test_a_pi_zero_knows_the_instructions_of_its_library(tflite: Path, tmp_path: Path) -> None:
    flags = ("-O3", *MACHINES["armv6l"][1:], "-static")
    program = Target("net", "program", "arm-linux-musleabihf", flags)
    build_program(c_program(tflite, None, "net"), program, tmp_path)
    subprocess.run(["qemu-arm", "-cpu", "arm1176", tmp_path / "net", "--self-test"], check=True)


def test_it_answers_as_litert_does_and_as_it_did_where_it_was_made(
    c_bundle: Path, bundle: Path, digits: list[Path]
) -> None:
    done, other = (app(folder, "predict", "--json", *digits) for folder in (c_bundle, bundle))
    assert not done.stderr
    ours, theirs = ([result["guesses"][0]["label"] for result in lines(each.stdout)] for each in (done, other))
    assert ours == theirs == ["7", "2", "1"]


def test_without_a_library_the_board_compiles_one(sources: Path, digits: list[Path]) -> None:
    assert not list(sources.glob("c/*.so"))
    done = app(sources, "predict", digits[0])
    assert done.returncode == 1
    assert "the model is not compiled for this processor; run ./install.sh" in done.stderr
    old = sources / "c" / "made-of-another.so"
    old.touch()
    assert library.make_library(sources / "c" / "model.c") == ""
    assert not old.exists()
    done = app(sources, "predict", digits[0])
    assert (done.stdout.split(": ")[1][0], done.stderr) == ("7", "")


def test_the_installer_compiles_it(sources: Path) -> None:
    python = sources / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\n[ "$1" = -m ] || exec {sys.executable} "$@"\n')  # without pip
    python.chmod(0o755)
    done = subprocess.run(["sh", sources / "install.sh"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert library.library(sources / "c" / "model.c").is_file()


def test_a_changed_model_is_not_answered_by_an_older_library(sources: Path) -> None:
    source = sources / "c" / "model.c"
    before = library.library(source)
    source.write_text(source.read_text() + "\n")
    assert library.library(source) != before


def test_a_compiler_that_is_missing_or_fails_is_said(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert "no C compiler is here to make one; run: sudo apt install gcc" in library.make_library(sources / "c/model.c")
    compiler = tmp_path / "bin" / "cc"
    compiler.parent.mkdir()
    compiler.write_text("#!/bin/sh\necho 'model.c:1: fatal error: string.h: No such file' >&2\nexit 1\n")
    compiler.chmod(0o755)
    assert "string.h: No such file" in library.make_library(sources / "c" / "model.c")
    assert not list(sources.glob("c/*.so"))


@pytest.mark.parametrize(
    ("machine", "bits", "expected"),
    [("aarch64", 64, "aarch64"), ("aarch64", 32, "armv7l"), ("armv6l", 32, "armv6l"), ("x86_64", 32, "i686")],
)
def test_a_32_bit_system_takes_the_library_of_32_bits(
    machine: str, bits: int, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library.platform, "machine", lambda: machine)
    monkeypatch.setattr(library.sys, "maxsize", 2 ** (bits - 1) - 1)
    assert library.processor() == expected
