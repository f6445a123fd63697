"""A file's graph comes out of the worker prepared, or an error that names the file does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper
from small_graphs import graph_of, noise, quantized

from edgekit.catalog import catalog_folder
from edgekit.errors import RuntimeCrashError, UnsupportedError, UsageError
from edgekit.graph.isolated import is_quantized, open_prepared
from edgekit.graph.prepare import prepare
from edgekit.sandbox import Limits

node = helper.make_node


def saved(folder: Path, model: onnx.ModelProto) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def test_a_float_model_comes_out_prepared(tmp_path: Path) -> None:
    model = graph_of([node("Identity", ["x"], ["a"]), node("Relu", ["a"], ["out"])], {"x": ("N", 4)})
    assert open_prepared(saved(tmp_path, model)) == prepare(model)


def test_a_quantized_model_comes_out_as_it_is(tmp_path: Path) -> None:
    model = quantized(
        prepare(graph_of([node("Conv", ["x", "w"], ["out"])], {"x": (1, 2, 5, 5)}, {"w": noise(3, 2, 3, 3)}))
    )
    assert is_quantized(model)
    assert open_prepared(saved(tmp_path, model)) == model


def test_the_constants_of_a_quantized_model_are_folded(tmp_path: Path) -> None:
    plain = quantized(
        prepare(graph_of([node("Conv", ["x", "w"], ["out"])], {"x": (1, 2, 5, 5)}, {"w": noise(3, 2, 3, 3)}))
    )
    scales = next(item for item in plain.graph.initializer if list(item.dims) == [3] and item.data_type == 1)
    computed = onnx.ModelProto()
    computed.CopyFrom(plain)
    computed.graph.initializer.remove(scales)
    computed.graph.node.insert(0, node("Constant", [], [scales.name], value=scales))
    opened = open_prepared(saved(tmp_path, computed))
    assert scales in opened.graph.initializer
    assert [item.op_type for item in opened.graph.node] == [item.op_type for item in plain.graph.node]


def test_what_cannot_be_prepared_is_named_with_its_file(tmp_path: Path) -> None:
    nodes = [node("NonZero", ["x"], ["where"]), node("Cast", ["where"], ["out"], to=onnx.TensorProto.FLOAT)]
    with pytest.raises(UnsupportedError, match=r"model\.onnx: The size of 'where'"):
        open_prepared(saved(tmp_path, graph_of(nodes, {"x": (1, 4)})))


def test_constants_that_take_years_to_compute_are_given_up(tmp_path: Path) -> None:
    """A regular expression that tries every way to cut a row of letters into pieces."""
    nodes = [
        node("RegexFullMatch", ["text"], ["found"], pattern="(a+)+b"),
        node("Cast", ["found"], ["one"], to=onnx.TensorProto.FLOAT),
        node("Mul", ["x", "one"], ["out"]),
    ]
    model = graph_of(nodes, {"x": (1, 1)}, {"text": np.asarray(["a" * 60 + "c"], object)}, opset=20)
    with pytest.raises(RuntimeCrashError, match=r"model\.onnx took longer than 4 s"):
        open_prepared(saved(tmp_path, model), Limits(seconds=4))


def test_what_is_int8_already_is_not_cut_nor_given_sizes(tmp_path: Path) -> None:
    path = catalog_folder("students") / "mnist-tiny" / "model.int8.onnx"
    for given in ({"cut_at": "logits"}, {"shapes": {"image": (1, 28, 28, 1)}}):
        with pytest.raises(UsageError, match="is int8 already: --shape and --cut-at are for the float file"):
            open_prepared(path, **given)
