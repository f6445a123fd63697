"""A model may end before what a file cannot hold; it then says what the app has to do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper
from small_graphs import graph_of, noise, run_onnx

from edgekit.conversion.export import ExportOptions, export
from edgekit.errors import UnknownNameError, UnsupportedError
from edgekit.evaluation.inspect import inspect_file
from edgekit.graph.prepare import prepare

node = helper.make_node


def detector() -> onnx.ModelProto:
    """Boxes and scores, the choice among them, and the boxes that were chosen; the image's mean is a result too."""
    limit = helper.make_tensor("", onnx.TensorProto.INT64, [1], [20])
    nodes = [
        node("Conv", ["x", "w"], ["head"]),
        node("Reshape", ["head", "boxes_shape"], ["boxes"]),
        node("Sigmoid", ["boxes"], ["shares"]),
        node("Slice", ["shares", "first", "second", "last"], ["column"]),
        node("Transpose", ["column"], ["scores"], perm=[0, 2, 1]),
        node("Constant", [], ["most"], value=limit),
        node("NonMaxSuppression", ["boxes", "scores", "most", "iou", "least"], ["chosen"], "nms"),
        node("Slice", ["chosen", "last", "third", "axis"], ["places"]),
        node("Squeeze", ["places", "axis"], ["rows"]),
        node("Gather", ["boxes", "rows"], ["out"], axis=1),
        node("GlobalAveragePool", ["x"], ["mean"]),
    ]
    whole = {"first": [0], "second": [1], "third": [3], "last": [2], "axis": [1], "boxes_shape": [1, -1, 4]}
    constants = {name: np.asarray(value, np.int64) for name, value in whole.items()}
    constants |= {"w": noise(4, 3, 1, 1), "iou": np.float32([0.45]), "least": np.float32([0.25])}
    return graph_of(nodes, {"x": (1, 3, 4, 4)}, constants, ["out", "mean"])


@pytest.mark.parametrize("name", ["nms", "chosen"])
def test_the_file_ends_before_the_node_and_says_what_is_left(name: str) -> None:
    prepared = prepare(detector(), cut_at=name)
    assert [value.name for value in prepared.graph.output] == ["mean", "boxes", "scores"]
    whole, image = detector(), noise(1, 3, 4, 4)
    del whole.graph.output[:]
    whole.graph.output.extend(onnx.ValueInfoProto(name=item) for item in ("mean", "boxes", "scores"))
    for expected, got in zip(run_onnx(whole, image), run_onnx(prepared, image), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


def test_without_a_cut_the_message_says_how_to_make_one() -> None:
    with pytest.raises(
        UnsupportedError, match=r"'chosen' \(NonMaxSuppression .* --cut-at chosen', .* 'boxes' and 'scores'"
    ):
        prepare(detector())


@pytest.mark.parametrize("form", ["onnx", "tflite"])
def test_export_tells_the_app_what_to_do_and_the_file_keeps_it(tmp_path: Path, form: str) -> None:
    onnx.save(detector(), tmp_path / "detector.onnx")
    made = export(ExportOptions(str(tmp_path / "detector.onnx"), to=form, cut_at="nms", out=tmp_path))
    assert made.left_to_the_app == (
        "NonMaxSuppression 'nms' is left to the app: it works on 'boxes' and 'scores', boxes as two corners, at most "
        "20 boxes of each class, overlaps up to 0.45 IoU, scores above 0.25; Slice, Squeeze, Gather follow, up to "
        "'out'."
    )
    assert "the file ends with 'mean', 'boxes', 'scores'. NonMaxSuppression" in " ".join(str(made).split())
    facts = inspect_file(made.path)
    assert facts.metadata.rest == made.left_to_the_app
    assert [spec.name for spec in facts.outputs] == ["mean", "boxes", "scores"]


def test_a_misspelled_node_is_named_with_the_nearest(tmp_path: Path) -> None:
    onnx.save(detector(), tmp_path / "detector.onnx")
    with pytest.raises(UnknownNameError, match="did you mean 'nms'"):
        export(ExportOptions(str(tmp_path / "detector.onnx"), cut_at="nmss", out=tmp_path))


def test_something_must_be_left() -> None:
    with pytest.raises(UnsupportedError, match="reads nothing that the model computes"):
        prepare(detector(), cut_at="head")
