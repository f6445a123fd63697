"""The whole job in small: 1,200 digits, two epochs, a teacher with the weights it was born with."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from edgekit import catalog
from edgekit.cli.main import app
from edgekit.console import Table
from edgekit.errors import ModelError
from edgekit.files import sha256_file
from edgekit.report.demo import STUDENT_FILES, DemoOptions, DemoResult, commands, demo
from edgekit.report.subjects import Digits, Photos, Subject
from edgekit.training.weights import save_weights
from edgekit.zoo import build

FILES = ("teacher.onnx", *STUDENT_FILES)


@pytest.fixture(scope="module")
def result(small_mnist: Path, tmp_path_factory: pytest.TempPathFactory) -> DemoResult:
    folder = tmp_path_factory.mktemp("demo")
    card = catalog.network_card("teachers", "mnist-cnn")
    torch.manual_seed(0)
    weights = save_weights(build(card.architecture, card.contract.shape, 10), folder / "teacher.safetensors")
    recipe = replace(catalog.network_card("students", "mnist-tiny").recipe("demo"), epochs=2, views=1, ema=0.0)
    subject = Digits(str(small_mnist), recipe, weights)
    return demo(DemoOptions(folder / "out", seed=7, subject=subject, profile_seconds=0.0))


def test_the_demo_ends_with_every_file_and_its_figures(result: DemoResult) -> None:
    rows = result.report.models
    assert tuple(row.file for row in rows) == FILES
    for row in rows:
        path = result.folder / row.file
        assert (row.file_bytes, row.sha256) == (path.stat().st_size, sha256_file(path))
        assert row.latency is not None
        assert row.latency.p50_ns > 0
    assert rows[-1].arena_bytes is not None
    assert rows[-1].file_bytes < rows[1].file_bytes < rows[0].file_bytes


def test_both_int8_files_give_nearly_the_same_integers(result: DemoResult) -> None:
    assert result.report.parity is not None
    assert result.report.parity.max_steps <= 1


def test_the_mistakes_are_pictures_from_the_test_images(result: DemoResult) -> None:
    assert result.report.mistakes
    assert all(picture.label != picture.guess for picture in result.report.mistakes)


def test_the_record_on_disk_is_the_result_with_every_sample(result: DemoResult) -> None:
    document = json.loads((result.folder / "demo.json").read_text())
    assert document == json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert len(document["profile"]["models"][0]["samples_ns"]) >= 50
    assert set(document["seconds"]) == {"distill", "quantize", "verify", "profile", "report"}


def test_the_page_names_every_file(result: DemoResult) -> None:
    page = result.page.read_text()
    assert all(row.sha256 in page for row in result.report.models)


@pytest.mark.parametrize("subject", [Digits(), Photos()])
def test_the_commands_are_ones_that_exist(subject: Subject) -> None:
    runner = CliRunner()
    for line in commands(subject, Path("my runs/demo"), 3):
        if not line.startswith("edgekit"):
            continue
        _, verb, *arguments = shlex.split(line)
        shown = runner.invoke(app, [verb, "--help"]).output
        assert all(word in shown for word in arguments if word.startswith("--")), line
        assert any(word.startswith("my runs/demo") for word in arguments)


def test_no_command_is_claimed_for_options_that_the_command_line_lacks(result: DemoResult) -> None:
    assert result.report.commands == ()


def test_the_table_is_printed(result: DemoResult) -> None:
    table = next(result.parts())
    assert isinstance(table, Table)
    assert [row[1] for row in table.rows] == list(FILES)
    assert all(any("measured" in cell for cell in row) for row in table.rows)


def test_a_teacher_without_weights_is_named_before_any_training(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="edgekit teach mnist-cnn"):
        demo(DemoOptions(tmp_path, subject=Digits(teacher_weights=tmp_path / "none.safetensors")))


def test_the_report_of_an_earlier_run_does_not_stay_beside_new_models(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("old")
    with pytest.raises(ModelError):
        demo(DemoOptions(tmp_path, subject=Digits(teacher_weights=tmp_path / "none.safetensors")))
    assert not (tmp_path / "report.html").exists()
