"""The page of a quantization: the files, the rungs, and which layer hurts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.catalog import QUANTIZE_REPORT
from edgekit.modelfiles.delegation import UndelegatedOperator
from edgekit.quantization.ladder import RungRecord
from edgekit.quantization.quantize import QuantizeResult
from edgekit.quantization.sensitivity import TensorRow
from edgekit.quantization.yardstick import MeasuredFile
from edgekit.report.quantization import render_quantization, write_page
from edgekit.tasks.quality import MOST_DB, Quality

HOSTILE = "<script>alert(1)</script>"


def row(tensor: str, alone_db: float | None, **changes: object) -> TensorRow:
    return replace(TensorRow(tensor, "Conv", 0.25, -3, 8, 31.5, alone_db, False), **changes)


@pytest.fixture
def result(tmp_path: Path) -> QuantizeResult:
    def measured(name: str, accuracy: float | None) -> MeasuredFile:
        return MeasuredFile(name, 123_456, "0" * 64, Quality(accuracy, 0.9876, 34.5, 0.1))

    return QuantizeResult(
        folder=str(tmp_path),
        recipe="static_wi8_ai8",
        io="int8",
        data="mnist",
        data_sha256="1" * 64,
        calibration_images=500,
        evaluated_on="test",
        evaluation_images=10_000,
        original=measured("model.onnx", 0.9912),
        onnx=measured("model.int8.onnx", 0.9901),
        tflite=measured("model.int8.tflite", 0.9899),
        drop=0.13,
        rungs=(
            RungRecord(1, "ranges", 1.25, Quality(0.96, 0.97, 20.0, 3.0), "4 minmax"),
            RungRecord(2, "equalization", 2.5, Quality(0.99, 0.99, 30.0, 0.1), "channels equalized", kept=True),
        ),
        layers=(row("first", 40.0), row("worst", 12.5), row("near", 17.0), row("none", None, is_float=True)),
        floats=("none",),
        float_part=None,
        undelegated=(),
    )


def test_the_page_says_what_each_file_and_each_rung_is_worth(result: QuantizeResult) -> None:
    page = render_quantization(result)
    for text in ("model.int8.tflite", "123,456", "99.12%", "98.76%", "10,000 test images of mnist"):
        assert text in page
    assert '<td class="word">30.0 dB, 99.00% agreement' in page  # text begins where its column does
    assert '<td class="word">Conv</td>' in page
    for text in ("1 ranges", "2 equalization", "channels equalized", "30.0 dB, 99.00% agreement", "2.5 s"):
        assert text in page


def test_other_tasks_than_classifying_pictures_have_their_own_words(result: QuantizeResult) -> None:
    judged = replace(result.tflite, quality=Quality(1.25, None, 34.5, 0.1, "mean squared error"))
    page = render_quantization(replace(result, original=judged, onnx=judged, tflite=judged, rungs=(), kind="samples"))
    assert "10,000 test samples of mnist" in page
    assert ">mean squared error<" in page
    assert "accuracy" not in page


def test_the_tensors_that_cost_the_outputs_most_are_marked(result: QuantizeResult) -> None:
    page = render_quantization(result)
    assert [f"<b>{value}" in page for value in ("12.5 dB", "17.0 dB", "40.0 dB")] == [True, True, False]
    assert "equal" in page
    assert ">float<" in page


def test_what_the_runtime_does_not_take_is_named_with_its_reason(result: QuantizeResult) -> None:
    left = UndelegatedOperator(3, "LOG", "no such kernel")
    page = render_quantization(replace(result, undelegated=(left,)))
    assert "LOG" in page
    assert "no such kernel" in page


def test_names_from_a_model_are_text_and_no_markup(result: QuantizeResult) -> None:
    hostile = replace(result, data=HOSTILE, layers=(row(HOSTILE, 3.0, operator=HOSTILE),))
    assert HOSTILE not in render_quantization(hostile)


def test_images_without_labels_have_no_accuracy(result: QuantizeResult) -> None:
    bare = replace(result.tflite, quality=Quality(None, 0.5, MOST_DB, 50.0))
    page = render_quantization(replace(result, original=bare, onnx=bare, tflite=bare))
    assert "50.00%" in page
    assert "None" not in page


def test_a_model_without_stored_tensors_has_a_page_too(result: QuantizeResult) -> None:
    assert "Which layer hurts" in render_quantization(replace(result, layers=(), rungs=()))


def test_it_is_written_beside_the_files(result: QuantizeResult) -> None:
    path = write_page(result)
    assert path == Path(result.folder) / QUANTIZE_REPORT
    assert path.read_text(encoding="utf-8") == render_quantization(result)
