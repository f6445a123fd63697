"""The float part of an int8 file stands by itself: the same operators, and the same integers at its ends."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from lowered import operators_of, signed
from onnx import helper
from small_graphs import bytes_for, graph_of, noise, quantized, run_tflite

from edgekit.artifact import Metadata
from edgekit.conversion.tflite import lower
from edgekit.conversion.tflite.lower_model import lower_float_part
from edgekit.graph.prepare import prepare
from edgekit.quantization.float_part import FloatPart

node = helper.make_node


def normalized(*outputs: str) -> onnx.ModelProto:
    nodes = [
        node("Gemm", ["x", "w"], ["a"], transB=1),
        node("LayerNormalization", ["a", "s", "b"], ["n"]),
        node("Gemm", ["n", "w"], ["out"], transB=1),
    ]
    constants = {"w": noise(8, 8), "s": noise(8), "b": noise(8)}
    return signed(prepare(graph_of(nodes, {"x": (4, 8)}, constants, outputs, opset=17)), 2)


def test_it_holds_the_float_operators_and_the_conversions_around_them() -> None:
    model = normalized("out")
    part, whole = lower_float_part(model), operators_of(lower(model, Metadata()))
    assert part is not None
    assert operators_of(part) == whole[1:-1]
    assert (whole[1], whole[-2]) == ("DEQUANTIZE", "QUANTIZE")


def test_it_goes_on_where_the_rest_ends() -> None:
    """The whole file's answer is that of its part on what its first layer gives."""
    model = normalized("a", "n")
    part, inputs = lower_float_part(model), bytes_for(model)
    assert part is not None
    between, expected = run_tflite(lower(model, Metadata()), *inputs)
    np.testing.assert_array_equal(run_tflite(part, between)[0], expected)


def test_a_model_in_integers_alone_has_none_whatever_its_ends() -> None:
    model = graph_of([node("Gemm", ["x", "w"], ["out"], transB=1)], {"x": (1, 8)}, {"w": noise(4, 8)})
    for io in ("int8", "uint8", "float32"):
        assert lower_float_part(quantized(prepare(model), io)) is None


def test_the_record_says_what_is_left_and_its_share_of_the_time(tmp_path: Path) -> None:
    model = normalized("out")
    (tmp_path / "whole.tflite").write_bytes(lower(model, Metadata()))
    found = FloatPart.of(model, ["n"], tmp_path / "whole.tflite")
    assert found is not None
    assert found.operators == {"LayerNormalization": 1}
    assert 0 < found.share_of_time <= 1
    assert str(found).startswith("1 LayerNormalization; ")
    assert FloatPart.of(model, [], tmp_path / "whole.tflite") is None
