"""Which operators XNNPACK takes, as LiteRT decides it on this machine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from onnx import helper
from small_graphs import graph_of, noise, quantized
from tiny_models import Operator, Tensor, packed, tflite_graph

from edgekit.artifact import Metadata
from edgekit.conversion.tflite import lower
from edgekit.errors import ModelError
from edgekit.graph.prepare import prepare
from edgekit.modelfiles.delegation import UndelegatedOperator, summarize, undelegated

node = helper.make_node
INT8, UINT8, INT16, FLOAT = (getattr(schema.TensorType, name) for name in ("INT8", "UINT8", "INT16", "FLOAT32"))
POOLING = {"strideW": 2, "strideH": 2, "filterWidth": 2, "filterHeight": 2, "padding": 1}


def value(shape: tuple[int, ...], kind: int) -> Tensor:
    return Tensor(shape, kind, scale=None if kind == FLOAT else (0.1, 0))


def left_of(path: Path, tensors: list[Tensor], operators: list[Operator]) -> tuple[UndelegatedOperator, ...]:
    """Of a graph from its first tensor to its last."""
    path = path / "graph.tflite"
    path.write_bytes(packed(tflite_graph(tensors, operators, [0], [len(tensors) - 1])))
    return undelegated(path)


def pooling(kind: int) -> tuple[list[Tensor], list[Operator]]:
    """Two maxima and an average between them."""
    tensors = [value((1, size, size, 2), kind) for size in (16, 8, 4, 2)]
    names = ("MAX_POOL_2D", "AVERAGE_POOL_2D", "MAX_POOL_2D")
    return tensors, [
        Operator(name, (index,), (index + 1,), "Pool2DOptions", POOLING, 2) for index, name in enumerate(names)
    ]


def test_a_float_network_is_taken_whole(tmp_path: Path) -> None:
    assert left_of(tmp_path, *pooling(FLOAT)) == ()


def test_an_operator_between_two_delegated_parts_is_found_with_its_place_and_reason(tmp_path: Path) -> None:
    assert left_of(tmp_path, *pooling(INT8)) == (
        UndelegatedOperator(1, "AVERAGE_POOL_2D", "XNNPACK has it in float only"),
    )


def test_nothing_is_taken_of_16_bit_activations(tmp_path: Path) -> None:
    left = left_of(tmp_path, *pooling(INT16))
    assert len(left) == 3
    assert summarize(left) == (
        "2 MAX_POOL_2D (XNNPACK computes in 8 bits or float, not in 16 bits); "
        "AVERAGE_POOL_2D (XNNPACK computes in 8 bits or float, not in 16 bits)"
    )


@pytest.mark.parametrize(
    ("kind", "operator", "reason"),
    [
        (UINT8, Operator("QUANTIZE", (0,), (1,), "QuantizeOptions"), "does not convert between int8 and uint8"),
        (INT8, Operator("RELU", (0,), (1,), version=2), "float only"),
        (INT8, Operator("CONCATENATION", (0,) * 6, (1,), "ConcatenationOptions", {"axis": 0}, 2), "at most 5 parts"),
        (INT8, Operator("REVERSE_V2", (0, 2), (1,)), "has no kernel"),
    ],
)
def test_the_reason_is_said(tmp_path: Path, kind: int, operator: Operator, reason: str) -> None:
    out = value((6 if operator.code == "CONCATENATION" else 1, 4), INT8)
    axis = Tensor((1,), schema.TensorType.INT32, np.zeros(1, np.int32).tobytes())
    path = tmp_path / "one.tflite"
    path.write_bytes(packed(tflite_graph([value((1, 4), kind), out, axis], [operator], [0], [1])))
    (left,) = undelegated(path)
    assert (left.operator, left.index) == (operator.code, 0)
    assert reason in left.reason


def test_our_int8_convolutions_are_taken(tmp_path: Path) -> None:
    nodes = [node("Conv", ["image", "w"], ["a"], pads=[1, 1, 1, 1]), node("Relu", ["a"], ["out"])]
    model = prepare(graph_of(nodes, {"image": (1, 3, 8, 8)}, {"w": noise(4, 3, 3, 3)}))
    path = tmp_path / "model.tflite"
    path.write_bytes(lower(quantized(model), Metadata()))
    assert undelegated(path) == ()


def test_a_file_that_is_no_tflite_file_is_refused(digit_files: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"onnx is not a \.tflite file"):
        undelegated(digit_files["onnx"])
    (tmp_path / "broken.tflite").write_bytes(b"\x18\x00\x00\x00TFL3")
    with pytest.raises(ModelError, match="broken TFLite file"):
        undelegated(tmp_path / "broken.tflite")
