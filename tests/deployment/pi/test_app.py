import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pi_app import app, environment, lines

from edgekit.data.files import prepare
from edgekit.evaluation.classifier import Classifier


@pytest.fixture
def own(bundle: Path, tmp_path: Path) -> Path:
    """A copy of the bundle that a test may change."""
    return Path(shutil.copytree(bundle, tmp_path / "own"))


def test_predict_prints_labels_with_probabilities(bundle: Path, digits: list[Path]) -> None:
    done = app(bundle, "predict", *digits)
    assert done.returncode == 0
    assert [line.split(": ")[1][0] for line in done.stdout.splitlines()] == ["7", "2", "1"]
    assert done.stdout.splitlines()[0].startswith(f"{digits[0]}: 7 ")


def changed(own: Path, name: str, change: Callable[[Any], None]) -> None:
    """Change a JSON file of a bundle, and its sum."""
    document = json.loads((own / name).read_text())
    change(document)
    (own / name).write_text(json.dumps(document))
    manifest = json.loads((own / "manifest.json").read_text())
    manifest["files"][name] = hashlib.sha256((own / name).read_bytes()).hexdigest()
    (own / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize("form", ["bundle", "onnx_bundle"])
def test_a_device_that_answers_as_the_host_did_says_nothing(
    form: str, request: pytest.FixtureRequest, digits: list[Path]
) -> None:
    done = app(request.getfixturevalue(form), "predict", digits[0])
    assert "warning" not in done.stderr


def test_a_device_that_answers_differently_says_so_with_the_first_operator(own: Path, digits: list[Path]) -> None:
    def odd(about: Any) -> None:
        about["golden"]["output"][2] += 40

    changed(own, "model.json", odd)
    done = app(own, "predict", digits[0])
    assert done.returncode == 0
    assert ": 7 " in done.stdout
    assert (
        "app.py: warning: this device answers differently than the machine where the model was made: a value is off "
        "by 40, where rounding explains 3.\n"
    ) in done.stderr

    def astray(trail: Any) -> None:
        trail["operators"][3]["values"] = [value ^ 64 for value in trail["operators"][3]["values"]]

    changed(own, "operators.json", astray)
    done = app(own, "predict", digits[0])
    assert "; the first operator that differs is DEPTHWISE_CONV_2D (number 3).\n" in done.stderr


def test_a_python_without_the_packages_is_told_of_the_installer(bundle: Path, digits: list[Path]) -> None:
    command = [sys.executable, "-S", str(bundle / "app.py"), "predict", str(digits[0])]  # -S: no site-packages
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "is not installed here; run ./install.sh" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("form", ["bundle", "onnx_bundle"])
def test_the_app_gives_the_integers_that_edgekit_gives(
    form: str, request: pytest.FixtureRequest, digits: list[Path], tflite: Path, onnx: Path
) -> None:
    results = lines(app(request.getfixturevalue(form), "predict", "--json", "--scores", *digits).stdout)
    with Classifier(tflite if form == "bundle" else onnx, threads=1) as classifier:
        images = np.stack([prepare(path, classifier.contract) for path in digits])
        expected = classifier.stored(images).tolist()
    assert [result["scores"] for result in results] == expected


def test_a_picture_that_cannot_be_read_is_named_and_the_others_are_classified(
    bundle: Path, digits: list[Path], tmp_path: Path
) -> None:
    garbage = tmp_path / "garbage\x1b[2J.png"
    garbage.write_bytes(b"\x89PNG\r\n\x1a\n" + b"garbage" * 50)
    done = app(bundle, "predict", garbage, tmp_path / "missing.png", tmp_path, digits[0])
    assert done.returncode == 1
    assert "cannot be decoded" in done.stderr or "not an image" in done.stderr
    assert "missing.png: No such file or directory" in done.stderr
    assert "\x1b" not in done.stderr
    assert ": 7 " in done.stdout


def test_with_json_errors_are_lines_too(bundle: Path, tmp_path: Path) -> None:
    done = app(bundle, "predict", "--json", tmp_path / "missing.png")
    assert done.returncode == 1
    assert lines(done.stdout) == [{"image": str(tmp_path / "missing.png"), "error": "No such file or directory"}]


@pytest.mark.parametrize("name", ["model.tflite", "classify/commands.py", "edgekit/inputs/ink.py", "labels.txt"])
def test_one_changed_byte_is_refused_by_name(own: Path, name: str, digits: list[Path]) -> None:
    data = bytearray((own / name).read_bytes())
    data[len(data) // 2] ^= 1
    (own / name).write_bytes(data)
    done = app(own, "predict", digits[0])
    assert done.returncode == 1
    assert done.stderr == (
        f"app.py: {name} is not the file that was deployed (its SHA-256 differs); copy the bundle again, or make it "
        "anew with 'edgekit deploy'.\n"
    )
    assert done.stdout == ""


def test_a_missing_file_is_refused_by_name(own: Path, digits: list[Path]) -> None:
    (own / "model.json").unlink()
    assert "model.json cannot be read (No such file or directory)" in app(own, "predict", digits[0]).stderr


def test_a_manifest_with_a_name_that_no_file_can_have_is_refused(own: Path, digits: list[Path]) -> None:
    (own / "manifest.json").write_text('{"files": {"a\\u0000\\u001b[31m": ""}}')
    done = app(own, "predict", digits[0])
    assert done.returncode == 1
    assert "cannot be read" in done.stderr
    assert done.stderr.count("\n") == 1
    assert "\x1b" not in done.stderr


def test_an_interrupt_before_the_model_is_open_ends_it_without_a_word(own: Path, digits: list[Path]) -> None:
    (own / "classify" / "model.py").write_text("raise KeyboardInterrupt\n")
    manifest = json.loads((own / "manifest.json").read_text())
    del manifest["files"]["classify/model.py"]
    (own / "manifest.json").write_text(json.dumps(manifest))
    done = app(own, "predict", digits[0])
    assert (done.returncode, done.stderr) == (130, "")


@pytest.mark.parametrize("threads", ["0", "65", "9" * 30, "x"])
def test_a_number_of_threads_that_no_board_has_is_refused(bundle: Path, digits: list[Path], threads: str) -> None:
    done = app(bundle, "--threads", threads, "predict", digits[0])
    assert done.returncode == 2
    assert "must be a whole number, 1 to 64" in done.stderr


@pytest.mark.parametrize("manifest", [None, "", "{}", '{"files": 3}', "[1]", "[" * 100_000])
def test_a_broken_manifest_is_refused(own: Path, manifest: str | None, digits: list[Path]) -> None:
    path = own / "manifest.json"
    path.unlink() if manifest is None else path.write_text(manifest)
    done = app(own, "predict", digits[0])
    assert done.returncode == 1
    assert "manifest.json is missing or broken" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["predict"],
        ["predikt", "a.png"],
        ["--threads", "0", "predict", "a.png"],
        ["watch", "--every", "0", "."],
        ["serve", "--port", "70000"],
    ],
)
def test_wrong_words_are_answered_with_the_usage(bundle: Path, words: list[str]) -> None:
    done = app(bundle, *words)
    assert done.returncode == 2
    assert "usage: app.py" in done.stderr
