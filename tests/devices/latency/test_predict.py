"""What a card's tables predict of a file, and what is said instead where there is none that serves."""

from __future__ import annotations

import tomllib
from dataclasses import replace

import onnx
import pytest
from ai_edge_litert import schema_py_generated as schema
from onnx import helper
from tiny_models import Operator, Tensor, packed, tflite_graph

from edgekit.catalog import resolve_model
from edgekit.devices.cards import device_card
from edgekit.devices.latency.model import LatencyTable
from edgekit.devices.latency.predict import find_tables, predict
from edgekit.devices.latency.tables import MARK, with_tables
from edgekit.devices.latency.workload import Workload, convolution, read_workload
from edgekit.errors import UsageError
from tests.small_graphs import graph_of, noise

NETWORK = Workload("float32", (convolution(rows=10_000, depth=64, columns=64, window=9),))


TABLE = LatencyTable("ort", "int8", 1, {"conv.macs": 0.5}, "a test", 9, 3, 0.1, 0.2, 0.8, 1.25)


def test_tables_written_twice_stand_there_once():
    once = with_tables('summary = "x"\n', [TABLE])
    assert with_tables(once, [TABLE]) == once
    assert tomllib.loads(once)["latency"] == [TABLE.to_dict()]
    assert with_tables(once, ()) == 'summary = "x"\n'


def test_tables_take_the_place_of_those_below_another_command_s_mark():
    older = MARK.replace("edgekit devices calibrate", "something else")
    assert with_tables(f'summary = "x"\n\n{older}\n\n[[latency]]\n', [TABLE]) == with_tables('summary = "x"\n', [TABLE])


def test_a_board_of_an_unknown_core_names_those_that_are_known():
    board = device_card("raspberry-pi-zero-2w")
    stranger = replace(board, hardware=replace(board.hardware, core="Cortex-X9"))
    known = "nothing is known of its core Cortex-X9, but of cortex-a53, cortex-a72, cortex-a76; measure there with"
    with pytest.raises(UsageError, match=f"raspberry-pi-zero-2w has no latency table for LiteRT, float32: {known}"):
        find_tables(stranger, "litert", NETWORK)


def test_a_missing_precision_names_those_that_there_are():
    card = replace(device_card("raspberry-pi-4b"), latency=(TABLE.to_dict(),))
    with pytest.raises(UsageError, match=r"ONNX Runtime, float32: .*there is one for int8, or measure"):
        find_tables(card, "ort", NETWORK)


def test_tables_of_kernels_serve_every_runtime_that_has_them():
    card = device_card("raspberry-pi-4b")
    expected = {"litert": "tflite-xnnpack", "tflite-runtime": "tflite-xnnpack", "litert-builtin": "tflite-builtin"}
    for runtime, kernels in expected.items():
        tables = find_tables(card, runtime, NETWORK)
        assert {table.runtime for table in tables} == {kernels}
        assert [table.threads for table in tables] == sorted(table.threads for table in tables)
    with pytest.raises(UsageError, match="no latency table for LiteRT reference kernels"):
        find_tables(card, "litert-reference", NETWORK)


@pytest.mark.parametrize("board", ["raspberry-pi-zero-2w", "raspberry-pi-3b-plus", "raspberry-pi-4b", "raspberry-pi-5"])
@pytest.mark.parametrize("student", ["mnist-tiny", "mnist-linear"])
def test_every_shipped_student_has_milliseconds_on_every_board(board, student):
    for suffix, runtime in ((".tflite", "litert"), (".onnx", "ort")):
        found = predict(resolve_model(student, suffix), device_card(board), runtime)
        assert [one.table.threads for one in found] == [1, 2, 3, 4]
        assert all(0 < one.low_ms < one.latency_ms < one.high_ms < 10 for one in found)
        assert all("smaller than any" in one.remark for one in found)


def test_what_one_thread_takes_are_its_instructions_at_about_a_cycle_each():
    """mnist-tiny was counted to execute 608,000 instructions on a Cortex-A72 (benchmarks/devices/emulated.json)."""
    (alone, *_) = predict(resolve_model("mnist-tiny", ".tflite"), device_card("raspberry-pi-4b"), "litert")
    assert 0.5 < alone.latency_ms * 1.5e6 / 608_000 < 1.5


def test_a_board_at_half_its_clock_is_nearly_twice_as_slow():
    path, card = resolve_model("mnist-tiny", ".tflite"), device_card("raspberry-pi-4b")
    (usual, *_), (slow, *_) = predict(path, card, "litert"), predict(path, card, "litert", clock_mhz=750)
    assert 1.9 < slow.latency_ms / usual.latency_ms < 2  # its memory is as fast as before


def test_a_device_that_was_measured_is_known_at_its_own_clock_only():
    card = replace(device_card("raspberry-pi-4b"), latency=(TABLE.to_dict(),))
    with pytest.raises(UsageError, match="leave out --clock"):
        predict(resolve_model("mnist-tiny", ".onnx"), card, "ort", clock_mhz=1800)


def of_older_quantization() -> bytes:
    """A convolution between bytes, as TensorFlow 1 wrote them."""
    image, made = (Tensor((1, 32, 32, 64), schema.TensorType.UINT8, scale=(0.1, 128), name=name) for name in "io")
    weights = Tensor((64, 3, 3, 64), schema.TensorType.UINT8, bytes(64 * 9 * 64), (0.1, 128))
    operator = Operator("CONV_2D", (0, 1), (2,), "Conv2DOptions", {"strideW": 1, "strideH": 1})
    return packed(tflite_graph([image, weights, made], [operator], [0], [2]))


def test_a_file_of_the_older_uint8_quantization_has_no_dot_products_and_is_said_to_be_untested(tmp_path):
    path = tmp_path / "older.tflite"
    path.write_bytes(of_older_quantization())
    (older, *_) = predict(path, device_card("raspberry-pi-5"), "litert")
    (plain, *_) = find_tables(device_card("raspberry-pi-5"), "litert", replace(read_workload(path), precision="int8"))
    (slower, *_) = find_tables(device_card("raspberry-pi-4b"), "litert", read_workload(path))
    assert "older uint8 quantization" in older.remark
    assert older.instructions == slower.predict(read_workload(path)).instructions
    assert older.latency_ms > 1.5 * plain.predict(read_workload(path)).latency_ms


def test_a_machine_that_was_calibrated_knows_nothing_of_the_older_quantization(tmp_path):
    path = tmp_path / "older.tflite"
    path.write_bytes(of_older_quantization())
    calibrated = replace(device_card("raspberry-pi-5"), latency=(replace(TABLE, runtime="litert").to_dict(),))
    with pytest.raises(
        UsageError, match=r"no latency table for LiteRT, uint8: .* measure there with --device cpu"
    ) as e:
        predict(path, calibrated, "litert")
    assert "calibrate" not in str(e.value)


def test_attention_is_said_to_be_untested(tmp_path):
    nodes = [
        helper.make_node("MatMul", ["in", "w"], ["a"]),
        helper.make_node("Transpose", ["a"], ["t"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["a", "t"], ["out"]),
    ]
    path = tmp_path / "attention.onnx"
    onnx.save(graph_of(nodes, {"in": (1, 64, 32)}, {"w": noise(32, 32)}), path)
    assert all("attention" in one.remark for one in predict(path, device_card("raspberry-pi-5"), "ort"))
