"""``edgekit store``: models under names, from the command line."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from text_models import text_files

from edgekit.errors import ModelError, UnknownNameError, UsageError
from edgekit.files import sha256_file
from edgekit.options import build
from edgekit.store import commands


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def add(path: Path, *models: str, **options: Any) -> None:
    commands.add(build(commands.AddOptions, {"models": models, "store": path, **options}))


def edgekit(path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edgekit", "store", *words, "--store", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def document(path: Path, *words: str) -> Any:
    done = edgekit(path, *words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_model_goes_in_is_listed_shown_and_removed(path: Path, digit_files: dict[str, Path]) -> None:
    file = str(digit_files["int8.tflite"])
    added = document(path, "add", "mnist-tiny", file)["models"]
    assert [model["name"] for model in added] == ["mnist-tiny", "digits"]
    assert document(path, "list")["models"] == [added[1], added[0]]
    shown = document(path, "show", "digits")
    assert shown["sha256"] == sha256_file(digit_files["int8.tflite"])
    assert shown["student"]["labels"] == list("0123456789")
    assert shown["recipe"] == "least squares"
    assert "least squares" in edgekit(path, "show", shown["sha256"][:8]).stdout
    out = path.parent / "files"
    assert document(path, "export", "digits", "--out", str(out))["sha256"] == shown["sha256"]
    assert sha256_file(out / "model.tflite") == shown["sha256"]
    assert json.loads((out / "model.json").read_text())["labels"] == list("0123456789")
    assert document(path, "remove", "digits")["models"] == [added[1]]
    assert document(path, "gc")["removed"] == [shown["sha256"]]
    assert "mnist-tiny" in edgekit(path, "list").stdout
    assert edgekit(path, "show", "digits").returncode == 2


def test_a_model_of_text_is_kept_like_one_of_pictures(path: Path, tmp_path: Path) -> None:
    add(path, str(text_files(tmp_path)["ort"]))
    assert "32 ids" in edgekit(path, "list").stdout
    shown = edgekit(path, "show", "praise").stdout
    assert "32 ids, text" in shown
    assert "not served" not in shown


def test_what_the_user_says_of_a_file_goes_into_its_card(
    path: Path, digit_files: dict[str, Path], tmp_path: Path
) -> None:
    names = tmp_path / "names.txt"
    names.write_text("\n".join(f"n{index}" for index in range(10)))
    add(path, str(digit_files["onnx"]), name="named", mean=(0.5,), labels=names)
    student = commands.show(build(commands.ShowOptions, {"model": "named", "store": path})).entry.card["student"]
    assert student["labels"][9] == "n9"
    assert student["contract"]["mean"] == [0.5]
    assert student["runtime"] == "ort"


def test_one_name_cannot_be_given_to_several(path: Path) -> None:
    with pytest.raises(UsageError, match="--name names one model"):
        add(path, "mnist-tiny", "mnist-linear", name="x")


def test_a_broken_file_is_not_kept(path: Path, tmp_path: Path, digit_files: dict[str, Path]) -> None:
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(digit_files["int8.tflite"].read_bytes()[:200])
    with pytest.raises(ModelError, match=r"broken\.tflite"):
        add(path, str(broken))
    with pytest.raises(UnknownNameError):
        add(path, "no-such-student")
    assert commands.list_(commands.StoreOptions(path)).entries == ()


def test_a_model_that_is_no_classifier_is_kept_with_the_reason(path: Path, tmp_path: Path) -> None:
    from onnx import TensorProto, helper

    sizes = [1, 1, 8, 8]
    value = helper.make_tensor_value_info
    node = helper.make_node("Relu", ["x"], ["y"])
    tensors = [value(name, TensorProto.FLOAT, sizes) for name in "xy"]
    model = helper.make_model(
        helper.make_graph([node], "g", tensors[:1], tensors[1:]),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    file = tmp_path / "filter.onnx"
    file.write_bytes(model.SerializeToString())
    add(path, str(file))
    card = commands.show(build(commands.ShowOptions, {"model": "filter", "store": path})).entry.card
    assert card["student"] is None
    assert "not one row of scores" in card["refusal"]
    assert str(tmp_path) not in card["refusal"]
    assert "not served" in edgekit(path, "list").stdout


def test_collecting_says_what_is_damaged_and_fails(path: Path) -> None:
    add(path, "mnist-tiny")
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("UPDATE artifacts SET data = zeroblob(length(data))")
    connection.close()
    done = edgekit(path, "gc", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["damaged"][0]["name"] == "mnist-tiny"
    assert "add the file again" in done.stderr


@pytest.mark.parametrize(
    "card", ["[]", "5", "null", "{}", '{"student": 5}', "[" * 100_000, '{"student": {}, "file": 1}']
)
@pytest.mark.parametrize("words", [("list",), ("show", "digits")])
def test_a_card_of_a_strange_store_is_damaged_and_not_a_crash(
    path: Path, digit_files: dict[str, Path], words: tuple[str, ...], card: str
) -> None:
    add(path, str(digit_files["onnx"]), name="digits")
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE artifacts SET card = ?", (card,))
    done = edgekit(path, *words)
    assert done.returncode == 1
    assert "The card of 'digits'" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_store_that_is_only_read_is_not_made(tmp_path: Path) -> None:
    for words in (("list",), ("show", "digits"), ("remove", "digits"), ("gc",)):
        done = edgekit(tmp_path / "typo" / "store.db", *words)
        assert done.returncode == 2
        assert "There is no store" in done.stderr
    assert not (tmp_path / "typo").exists()
