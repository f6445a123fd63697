"""A workload is read from a file's shapes: what it costs in arithmetic and memory, layer by layer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper
from tiny_models import Operator, Tensor, lstm_model, packed, tflite_graph

from edgekit.artifact import Metadata
from edgekit.catalog import resolve_model
from edgekit.conversion.tflite import lower
from edgekit.devices.latency.workload import Layer, Workload, convolution, dense, read_layers, read_workload
from edgekit.errors import ModelError, UnsupportedError
from edgekit.graph.prepare import prepare
from edgekit.modelfiles.session import vet
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


def test_sizes_that_a_file_leaves_open_are_given(tmp_path):
    path = tmp_path / "open.onnx"
    graph = graph_of([helper.make_node("Conv", ["in", "w"], ["out"])], {"in": (1, 3, 8, 8)}, {"w": noise(4, 3, 1, 1)})
    for value in (graph.graph.input[0], graph.graph.output[0]):
        for axis in (2, 3):
            value.type.tensor_type.shape.dim[axis].dim_param = f"size{axis}"
    onnx.save(graph, path)
    with pytest.raises(ModelError, match="--shape in="):
        read_workload(path)
    assert read_workload(path, {"in": (1, 3, 8, 8), "of another file": (1, 9)}).macs == 64 * 3 * 4


def test_a_tflite_file_of_open_sizes_has_no_workload(tmp_path):
    tensors = [Tensor((1, 1, 1, 3), name="in"), Tensor((1, 1, 1, 3), name="out")]
    model = tflite_graph(tensors, [Operator("RELU", (0,), (1,))], [0], [1])
    model.subgraphs[0].tensors[0].shapeSignature = [1, -1, -1, 3]
    path = tmp_path / "open.tflite"
    path.write_bytes(packed(model))
    with pytest.raises(ModelError, match=r"open\.tflite leaves sizes of its input 'in' open"):
        read_workload(path)


def test_a_recurrence_that_is_one_operator_has_no_workload(tmp_path):
    path = tmp_path / "words.tflite"
    path.write_bytes(packed(lstm_model(steps=5, values=3, units=4)))
    with pytest.raises(ModelError, match="UNIDIRECTIONAL_SEQUENCE_LSTM, whose cost its shapes do not tell; measure it"):
        read_workload(path)


def test_channels_that_fill_no_tile_cost_as_much_as_a_full_one():
    layer = convolution(rows=10, depth=3, columns=20, window=9)
    assert layer.tiles == 10 * 27 * 32
    assert layer.padded == 10 * 9 * 8 * 24
    assert layer.taps == 10 * 9 * 3
    assert not convolution(10, 8, 16).is_ragged
    assert convolution(10, 18, 18, 9, groups=18).is_ragged


def test_values_that_are_stored_in_another_way_are_a_pass_over_them(tmp_path):
    scale = {"s": np.float32(0.1), "z": np.uint8(128), "t": np.float32(0.2)}
    nodes = [
        helper.make_node("QuantizeLinear", ["in", "s", "z"], ["a"]),
        helper.make_node("DequantizeLinear", ["a", "s", "z"], ["b"]),
        helper.make_node("QuantizeLinear", ["b", "t", "z"], ["c"]),
        helper.make_node("DequantizeLinear", ["c", "t", "z"], ["out"]),
    ]
    onnx.save(graph_of(nodes, {"in": (1, 8)}, scale), tmp_path / "stored.onnx")
    assert [layer.kind for layer in _workload(tmp_path / "stored.onnx").layers] == ["move", "move"]


def test_a_depthwise_layer_copies_all_windows_but_the_usual_one():
    usual, large = (convolution(100, 8, 8, window, groups=8) for window in (9, 25))
    halving = replace(usual, inputs=4 * usual.outputs)
    assert [layer.gathered for layer in (usual, large, halving)] == [0, large.macs, halving.macs]


def test_a_fully_connected_layer_has_vectors_of_weights_only_if_they_fill_its_tiles():
    assert [dense(64, columns).uneven for columns in (100, 1001, 200)] == [6400, 0, 0]


def test_a_fully_connected_layer_on_many_vectors_is_computed_as_a_pointwise_one():
    assert [dense(64, 10, rows).kind for rows in (1, 49)] == ["dense", "pointwise"]


@pytest.mark.parametrize(
    ("layer", "copied"),
    [
        (convolution(100, 4, 16, window=9), 0),
        (convolution(100, 3, 16, window=9), 100 * 3 * 9),
        (convolution(100, 4, 8, window=9), 100 * 4 * 9),
        (Layer("pool", 4, 16, patches=16), 0),
    ],
)
def test_integer_kernels_copy_the_windows_of_channels_that_they_cannot_take_by_four(layer, copied):
    assert layer.copied == copied


def test_the_places_of_a_window_are_counted_once_for_all_channels():
    assert convolution(100, 32, 8, window=9).places == convolution(100, 32, 32, window=9, groups=32).places == 900


def test_weights_that_may_be_replaced_keep_a_runtime_from_its_fast_kernels(tmp_path):
    model = graph_of([helper.make_node("Conv", ["in", "w"], ["out"])], {"in": (1, 8, 8, 8)}, {"w": noise(8, 8, 1, 1)})
    onnx.save(model, tmp_path / "constant.onnx")
    model.graph.input.append(helper.make_tensor_value_info("w", onnx.TensorProto.FLOAT, (8, 8, 1, 1)))
    onnx.save(model, tmp_path / "open.onnx")
    assert [_workload(tmp_path / name).layers[0].is_ragged for name in ("constant.onnx", "open.onnx")] == [False, True]


def test_padding_that_a_convolution_does_itself_is_no_layer(tmp_path):
    nodes = [
        helper.make_node("Conv", ["in", "w"], ["a"], strides=[2, 2], pads=[1] * 4),
        helper.make_node("MaxPool", ["a"], ["out"], kernel_shape=[2, 2], strides=[2, 2]),
    ]
    graph = graph_of(nodes, {"in": (1, 3, 8, 8)}, {"w": noise(4, 3, 3, 3)})
    path = tmp_path / "small.tflite"
    path.write_bytes(lower(prepare(graph), Metadata()))
    assert "PAD" in vet(path).operators
    conv, pool = _workload(path).layers
    assert (conv.kind, pool.kind, pool.patches) == ("conv", "pool", 4 * 4 * 4)


def test_a_loop_of_many_steps_says_that_its_cost_is_not_known(tmp_path):
    recurrent = helper.make_node("LSTM", ["in", "w", "r"], ["out"], hidden_size=4)
    path = tmp_path / "lstm.onnx"
    constants = {"w": noise(1, 16, 8), "r": noise(1, 16, 4)}
    onnx.save(graph_of([recurrent], {"in": (600, 1, 8)}, constants), path)
    with pytest.raises((ModelError, UnsupportedError), match="LSTM"):
        _workload(path)


def test_a_damaged_file_is_an_error_that_names_it(tmp_path):
    path = tmp_path / "cut.tflite"
    path.write_bytes(resolve_model("mnist-tiny", ".tflite").read_bytes()[:500])
    with pytest.raises(ModelError, match=r"cut\.tflite"):
        read_workload(path)


def test_weights_that_a_cache_does_not_hold_are_counted_in_bytes():
    layers = (dense(1000, 400), dense(400, 250))
    in_float, in_bytes = (
        {name: count for name, count in Workload(precision, layers).sums().items() if name.startswith("beyond")}
        for precision in ("float32", "int8")
    )
    assert in_float == {"beyond.512KiB": 2_000_000, "beyond.1MiB": 2_000_000}
    assert in_bytes == {}


def test_sums_leave_out_what_does_not_occur():
    sums = Workload("float32", (Layer("pool", 64, 256, patches=256, columns=16),)).sums()
    assert sums == {
        "pool.patches": 256,
        "pool.rows": 4,
        "pool.columns": 16,
        "pool.inputs": 256,
        "pool.outputs": 64,
        "pool.layers": 1,
    }
    assert np.isfinite(list(sums.values())).all()


@pytest.mark.parametrize(
    ("layer", "loose"),
    [
        (Layer("pool", 64, 256, patches=256, columns=16), 0),
        (Layer("pool", 96, 384, patches=384, columns=24), 384),
        (Layer("move", 24, 24, columns=24), 24),
        (Layer("conv", 24, 24, macs=9, patches=9, columns=24), 0),
    ],
)
def test_channels_that_fill_no_block_are_looked_at_one_by_one_where_there_are_no_weights(layer, loose):
    assert layer.loose == loose
