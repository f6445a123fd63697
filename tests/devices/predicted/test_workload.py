"""A workload is read from a file's shapes: what it costs in arithmetic and memory, layer by layer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from edgekit.catalog import resolve_model
from edgekit.devices.predicted.shapes import Map, Shapes
from edgekit.devices.predicted.workload import Layer, Workload, convolution, read_layers, read_workload
from edgekit.errors import ModelError, UnsupportedError
from tests.small_graphs import graph_of, noise


def _workload(path: Path) -> Workload:
    answer = read_layers(str(path))
    return Workload(answer["precision"], tuple(Layer(**layer) for layer in answer["layers"]))


def test_a_convolution_is_the_matrix_product_that_it_amounts_to():
    layer = convolution(rows=100, depth=8, columns=16, window=9)
    assert (layer.kind, layer.macs, layer.patches, layer.weights) == ("conv", 100 * 8 * 9 * 16, 100 * 72, 72 * 16)


@pytest.mark.parametrize(
    ("window", "groups", "kind"), [(1, 1, "pointwise"), (9, 8, "depthwise"), (9, 2, "conv"), (9, 1, "conv")]
)
def test_the_kind_of_a_convolution_follows_from_its_window_and_groups(window, groups, kind):
    assert convolution(10, 8, 8, window, groups).kind == kind


def test_the_float_and_int8_files_of_a_student_ask_for_the_same_arithmetic():
    onnx_file, tflite = (read_workload(resolve_model("mnist-tiny", suffix)) for suffix in (".onnx", ".tflite"))
    assert onnx_file.macs == tflite.macs > 0
    assert tflite.precision == "int8"
    layers = [sum(layer.kind == kind for layer in tflite.layers) for kind in ("conv", "depthwise", "pointwise")]
    assert layers == [
        sum(layer.kind == kind for layer in onnx_file.layers) for kind in ("conv", "depthwise", "pointwise")
    ]


def test_activations_are_part_of_the_layer_before_them(tmp_path):
    nodes = [
        helper.make_node("Conv", ["in", "w"], ["a"], pads=[1] * 4),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("GlobalAveragePool", ["b"], ["out"]),
    ]
    path = tmp_path / "small.onnx"
    onnx.save(graph_of(nodes, {"in": (1, 3, 8, 8)}, {"w": noise(4, 3, 3, 3)}), path)
    assert [layer.kind for layer in _workload(path).layers] == ["conv", "pool"]
    assert _workload(path).macs == 64 * 27 * 4


def test_shapes_written_down_ask_for_what_the_file_asks_for(tmp_path):
    nodes = [
        helper.make_node("Conv", ["in", "w"], ["a"], strides=[2, 2], pads=[1] * 4),
        helper.make_node("Conv", ["a", "v"], ["b"], group=4, pads=[1] * 4),
        helper.make_node("Add", ["a", "b"], ["out"]),
    ]
    path = tmp_path / "small.onnx"
    onnx.save(graph_of(nodes, {"in": (1, 3, 8, 8)}, {"w": noise(4, 3, 3, 3), "v": noise(4, 1, 3, 3)}), path)
    net = Shapes()
    x = net.conv(Map(8, 8, 3), 4, 3, 2)
    net.add(x, net.depthwise(x))
    assert _workload(path).sums() == net.workload().sums()


def test_a_loop_says_that_its_cost_is_not_known(tmp_path):
    recurrent = helper.make_node("LSTM", ["in", "w", "r"], ["out"], hidden_size=4)
    path = tmp_path / "lstm.onnx"
    constants = {"w": noise(1, 16, 8), "r": noise(1, 16, 4)}
    onnx.save(graph_of([recurrent], {"in": (5, 1, 8)}, constants), path)
    with pytest.raises((ModelError, UnsupportedError), match="LSTM"):
        _workload(path)


def test_a_damaged_file_is_an_error_that_names_it(tmp_path):
    path = tmp_path / "cut.tflite"
    path.write_bytes(resolve_model("mnist-tiny", ".tflite").read_bytes()[:500])
    with pytest.raises(ModelError, match=r"cut\.tflite"):
        read_workload(path)


def test_sums_leave_out_what_does_not_occur():
    sums = Workload("float32", (Layer("pool", 4, 16, patches=16),)).sums()
    assert sums == {"pool.patches": 16, "pool.inputs": 16, "pool.outputs": 4, "pool.layers": 1}
    assert np.isfinite(list(sums.values())).all()
