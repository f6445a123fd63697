"""The page of a teacher."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgekit.artifact import TensorSpec
from edgekit.catalog import REPORT
from edgekit.report.teaching import MOST_CLASSES, render_teaching, write_page
from edgekit.tasks.classification import TASK, Classified, macro_f1
from edgekit.training.loop import EpochMetrics
from edgekit.training.teach import TeachResult

HOSTILE = "<script>alert(1)</script>"


def classified(names: tuple[str, ...], labels: np.ndarray, guesses: np.ndarray) -> Classified:
    scores = 8 * np.eye(len(names), dtype=np.float32)[guesses]
    return TASK.figures(scores, labels, names, TensorSpec("logits", scores.shape, "float32"))


@pytest.fixture
def result(tmp_path: Path) -> TeachResult:
    labels, guesses = np.array([0] * 6 + [1] * 6 + [2] * 6), np.array([0] * 6 + [1] * 3 + [2] * 3 + [2] * 6)
    test = classified(("hat", "pants", "shorts"), labels, guesses)
    image = np.full((160, 160, 3), 90, np.uint8)
    return TeachResult(
        name="efficientnet-lite0",
        tune="full",
        data="clothing",
        kind="images",
        photos=3068,
        model=tmp_path / "model.onnx",
        weights=tmp_path / "weights.safetensors",
        sha256="0" * 64,
        parameters=3_383_818,
        validation_accuracy=0.9,
        test_accuracy=test.accuracy,
        test_f1=macro_f1(test.confusion),
        test=test,
        epochs=(EpochMetrics(1, 1.2, 0.7, 0.85, 1e-3), EpochMetrics(2, 0.9, 0.8, 0.9, 1e-4)),
        shown=(image,) * 3,
    )


def test_the_page_says_how_good_the_teacher_is(result: TeachResult) -> None:
    page = write_page(result).read_text()
    assert page == (result.model.parent / REPORT).read_text()
    for text in ("83.33%", "82.22%", "90.00%", "3,068 images of clothing", "fine-tuned", "3,383,818"):
        assert text in page


def test_the_confusion_matrix_has_a_row_for_each_true_class(result: TeachResult) -> None:
    page = render_teaching(result)
    assert (
        '<td>pants</td><td class="wrong" style="--share: 0%"></td><td class="right" style="--share: 50%">3</td>' in page
    )
    assert '<td class="wrong" style="--share: 50%">3</td>' in page


def test_the_weakest_class_comes_first(result: TeachResult) -> None:
    page = render_teaching(result)
    rows = page[page.index("The weakest first") :]
    assert rows.index("<td>pants</td>") < rows.index("<td>shorts</td>") < rows.index("<td>hat</td>")
    assert "<td>pants</td><td>6</td><td>100.0%</td><td>50.0%</td><td>66.7%</td>" in rows


def test_of_many_classes_those_with_mistakes_are_shown(result: TeachResult) -> None:
    names = tuple(f"kind {number}" for number in range(100))
    labels = np.arange(100)
    guesses = labels.copy()
    guesses[[7, 80]] = [80, 7]
    page = render_teaching(replace(result, test=classified(names, labels, guesses), shown=result.shown[:2]))
    matrix = page[page.index("Confusion matrix") : page.index("The weakest first")]
    assert f"The {MOST_CLASSES} of 100 classes with the most mistakes" in matrix
    assert "<td>kind 7</td>" in matrix
    assert "<td>kind 80</td>" in matrix
    assert matrix.count("<tr>") == MOST_CLASSES + 1


def test_a_head_has_no_epochs_and_a_perfect_teacher_no_mistakes(result: TeachResult) -> None:
    labels = np.arange(3)
    page = render_teaching(
        replace(result, tune="head", epochs=(), shown=(), test=classified(result.test.classes, labels, labels))
    )
    assert "Epochs" not in page
    assert "Worst mistakes" not in page


def test_names_of_strangers_are_text(result: TeachResult) -> None:
    page = render_teaching(replace(result, data=HOSTILE, test=replace(result.test, classes=(HOSTILE, "b", "c"))))
    assert HOSTILE not in page
