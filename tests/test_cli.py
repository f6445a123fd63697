"""The command line as a program: exit statuses, one line per error, JSON alone on stdout, a light --help."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from edgekit.cli.listing import ListOptions, listing
from edgekit.console import Table, text_of
from edgekit.data.dataset import Dataset
from edgekit.extras import install

HEAVY = ("torch", "onnx", "onnxruntime", "ai_edge_litert", "tflite_micro", "PIL", "matplotlib", "numpy")


def edgekit(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edgekit", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


def test_help_imports_nothing_heavy() -> None:
    probe = f"""
import sys
from edgekit.cli.main import app
try:
    app(["--help"])
except SystemExit:
    pass
print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_the_version_is_said() -> None:
    assert edgekit("--version").stdout == f"edgekit {version('edgekit')}\n"


def test_help_of_a_command_needs_no_torch() -> None:
    code = "import sys; sys.modules['torch'] = None; from edgekit.cli.main import main; main()"
    for command in ("teach", "distill", "quantize", "profile"):
        words = [sys.executable, "-c", code, command, "--help"]
        assert f"Usage: -c {command}" in subprocess.run(words, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("width", ["60", "80", "200", ""])
def test_tables_keep_to_the_width_and_are_readable_in_a_pipe(width: str) -> None:
    for words in (["list", "devices"], *([["list"], ["inspect", "mnist-tiny"]] if width == "60" else [])):
        environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
        done = subprocess.run(
            [sys.executable, "-m", "edgekit", *words],
            capture_output=True,
            text=True,
            check=True,
            env=environment | ({"COLUMNS": width} if width else {}),
        )
        lines = done.stdout.splitlines()
        assert max(map(len, lines)) <= int(width or 120)
        assert all(line == line.rstrip() for line in lines)
        assert "mnist-tiny" in done.stdout or "raspberry-pi-4b" in done.stdout


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["distil"], 2, "Did you mean 'distill'"),
        (["profile", "--thread", "2"], 2, "--threads"),
        (["teach", "mnist-cn"], 2, "did you mean 'mnist-cnn'?"),
        (["distill", "--student", "mnist-tin"], 2, "did you mean 'mnist-tiny'?"),
        (["distill", "--recipe", "ful"], 2, "did you mean 'full'?"),
        (["distill", "--loss", "kdd"], 2, "did you mean 'kd'?"),
        (["distill", "--student", "resnet8"], 2, "--teacher"),
        (["quantize", "mnist-tiny"], 2, "Say one scheme: --int8"),
        (["quantize", "--int8", "mnist-tiny", "--ranges", "minmix"], 2, "did you mean 'minmax'?"),
        (["quantize", "--int8", "mnist-tiny", "--calibration", "0"], 2, "greater than or equal to 1"),
        (["evaluate", "mnist-tinny"], 2, "did you mean 'mnist-tiny'?"),
        (["list", "studentz"], 2, "No kind is called 'studentz'; did you mean 'students'?"),
        (["export", "mnist-tiny", "--to", "onx"], 2, "No value of --to is called 'onx'; did you mean 'onnx'?"),
        (["evaluate", "nowhere.onnx"], 1, "nowhere.onnx does not exist"),
        (["evaluate", "mnist-tiny", "--data", "nist"], 2, "did you mean 'mnist'?"),
        (["evaluate", "mnist-tiny", "--runtime", "litertt"], 2, "did you mean 'litert'?"),
        (["profile", "mnist-tiny", "--device", "cpuu"], 2, "did you mean 'cpu'?"),
        (["predict", "mnist-tiny", "nothing.png"], 1, "nothing.png"),
        (["quantize", "--int8"], 1, "no run in runs/ yet"),
        (["inspect", "empty"], 1, "empty holds none of"),
        (["inspect", "x" * 300], 1, "File name too long"),
        (["serve", "--store", "--memory", "1"], 2, "greater than or equal to 256"),
        (["serve", "--store", "--memory", "99999999999999"], 2, "less than or equal to 16777216"),
        (["demo", "--seed", "5000000000"], 2, "less than or equal to 4294967295"),
    ],
)
def test_an_error_is_one_line_that_says_what_to_do(words: list[str], status: int, message: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = edgekit(*words, cwd=tmp_path)
    assert done.returncode == status
    assert message in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def patched(change: str, *words: str) -> subprocess.CompletedProcess[str]:
    """The program after a line of Python that changes something of it."""
    names = "import sys; from functools import wraps; from edgekit.cli import listing, main"
    code = f"{names}; {change}; sys.argv = {['edgekit', *words]}; main.main()"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_training_without_torch_says_what_to_install() -> None:
    done = patched("sys.modules['torch'] = None", "distill")
    assert done.returncode == 1
    assert "needs torch" in done.stderr
    assert f"run: {install('train')}" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_interrupted_command_says_so() -> None:
    done = patched(
        "listing.listing = wraps(listing.listing)(lambda options: (_ for _ in ()).throw(KeyboardInterrupt))", "list"
    )
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "edgekit: interrupted; nothing half-written is left.\n"


@pytest.mark.parametrize(("words", "shown"), [(["list"], "caf\\udce9"), (["list", "--json"], "caf?")])
def test_a_label_that_is_no_text_is_printed_all_the_same(words: list[str], shown: str) -> None:
    listing = r"listing.Listing('students', ('name',), (('caf\udce9',),))"
    change = f"listing.listing = wraps(listing.listing)(lambda options: {listing})"
    done = patched(change, *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert shown in done.stdout


def test_json_is_the_only_thing_on_stdout(tmp_path: Path) -> None:
    for words in (["list", "students"], ["inspect", "mnist-tiny"], ["list", "devices"], ["list", "recipes"]):
        done = edgekit(*words, "--json", cwd=tmp_path)
        assert done.returncode == 0
        assert isinstance(json.loads(done.stdout), dict)


def test_list_names_every_card() -> None:
    students = json.loads(edgekit("list", "students", "--json").stdout)["students"]
    assert {row["name"] for row in students} >= {
        "mnist-tiny",
        "mnist-linear",
        "mnist-classic-half",
        "ds-cnn",
        "resnet8",
    }
    shipped = next(row["ships"] for row in students if row["name"] == "mnist-tiny")
    assert shipped == "int8, float"


@pytest.mark.parametrize("kind", ["teachers", "students", "devices", "recipes"])
def test_lists_are_tables_in_a_terminal_of_80_columns(kind: str) -> None:
    (table,) = listing(ListOptions(kind)).parts()
    assert isinstance(table, Table)
    assert text_of(table, 80).split()[: len(table.columns)] == [*table.columns]


@pytest.mark.parametrize("kind", ["teachers", "students"])
def test_a_network_of_the_catalog_is_a_line_of_80_columns_and_whole_in_the_document(kind: str) -> None:
    found = listing(ListOptions(kind))
    (table,) = found.parts()
    lines = text_of(table, 80).splitlines()[2:]
    assert [line.split()[0] for line in lines] == [row[0] for row in found.rows]
    assert all(row["recipes"] for row in found.to_dict()[kind])


def test_a_gate_that_is_not_met_exits_with_3_and_leaves_no_file(mnist: Dataset, tmp_path: Path) -> None:
    dark = np.random.default_rng(0).integers(0, 2, (20, 28, 28, 1), dtype=np.uint8)
    train = {"x_train": dark, "y_train": np.repeat(np.arange(10), 2)}
    digits = mnist.test.take(np.arange(40))
    np.savez(tmp_path / "bad.npz", **train, x_test=digits.images, y_test=digits.labels)
    words = ("--data", "bad.npz", "--max-drop", "0.5", "--rungs", "2", "--out", "out")
    done = edgekit("quantize", "--int8", "mnist-tiny", *words, cwd=tmp_path)
    assert done.returncode == 3
    assert "more than --max-drop 0.5" in done.stderr
    assert not (tmp_path / "out").exists()


def test_quantize_writes_a_page_beside_its_files(small_mnist: Path, tmp_path: Path) -> None:
    words = ("--data", str(small_mnist), "--calibration", "16", "--rungs", "1", "--out", "out", "--json")
    done = edgekit("quantize", "--int8", "mnist-tiny", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [rung["name"] for rung in json.loads(done.stdout)["rungs"]] == ["ranges"]
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {"model.int8.onnx", "model.int8.tflite", "quantize.json", "quantize.html"}
