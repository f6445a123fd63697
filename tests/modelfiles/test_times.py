"""Files are timed side by side in one worker, by their path or their bytes."""

from __future__ import annotations

from pathlib import Path

import pytest
from onnx.helper import make_node
from small_graphs import graph_of, noise

from edgekit.artifact import Metadata
from edgekit.conversion.tflite import lower
from edgekit.errors import ModelError
from edgekit.graph.prepare import prepare
from edgekit.modelfiles.times import Timed, times_in_turns


def test_a_large_network_takes_longer_than_a_small_one(tmp_path: Path) -> None:
    node = make_node("MatMul", ["x", "w"], ["out"])
    small, large = (prepare(graph_of([node], {"x": (1, width)}, {"w": noise(width, width)})) for width in (8, 2048))
    (tmp_path / "large.onnx").write_bytes(large.SerializeToString())
    few, many = times_in_turns([Timed("litert", lower(small, Metadata())), Timed("ort", tmp_path / "large.onnx")])
    assert 0 < few < many


def test_open_sizes_are_given_by_name(tmp_path: Path) -> None:
    model = graph_of([make_node("Relu", ["x"], ["out"])], {"x": (1, "length")})
    (tmp_path / "open.onnx").write_bytes(model.SerializeToString())
    (time,) = times_in_turns([Timed("ort", tmp_path / "open.onnx", {"x": (1, 7)})])
    assert time > 0


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("nothing")
    with pytest.raises(ModelError, match=r"text\.onnx"):
        times_in_turns([Timed("ort", tmp_path / "text.onnx")])
