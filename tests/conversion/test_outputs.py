"""Outputs that are one value under two names, or an input passed on."""

from __future__ import annotations

import numpy as np
import pytest
from onnx.helper import make_node
from small_graphs import XNNPACK, bytes_for, graph_of, noise, quantized, run_onnx, run_tflite

from edgekit.artifact import Metadata
from edgekit.conversion.tflite import lower
from edgekit.errors import UnsupportedError
from edgekit.graph.prepare import prepare

CONV = make_node("Conv", ["x", "w"], ["c"])
MODELS = {
    "an input passed on": ([make_node("Identity", ["x"], ["out"]), make_node("Relu", ["x"], ["y"])], ["out", "y"]),
    "nothing but an input": ([make_node("Identity", ["x"], ["out"])], ["out"]),
    "one value twice": ([CONV, make_node("Identity", ["c"], ["out"])], ["c", "out"]),
    "one value three times": (
        [CONV, make_node("Identity", ["c"], ["out"]), make_node("Dropout", ["c"], ["more"])],
        ["c", "out", "more"],
    ),
    "a value that is read on": (
        [CONV, make_node("Identity", ["c"], ["out"]), make_node("Relu", ["c"], ["y"])],
        ["c", "out", "y"],
    ),
    "a flat one": ([make_node("Flatten", ["x"], ["f"]), make_node("Identity", ["f"], ["out"])], ["f", "out"]),
}


@pytest.mark.parametrize("name", MODELS)
def test_each_name_has_its_values_in_float_and_in_int8(name: str) -> None:
    nodes, outputs = MODELS[name]
    constants = {"w": noise(4, 3, 1, 1)} if CONV in nodes else {}
    model = graph_of(nodes, {"x": (1, 3, 6, 4)}, constants, outputs)
    prepared = prepare(model)
    assert [value.name for value in prepared.graph.output] == outputs
    image = noise(1, 3, 6, 4)
    expected = run_onnx(model, image)
    for answers in (run_onnx(prepared, image), run_tflite(lower(prepared, Metadata()), image, kernels=XNNPACK)):
        for got, wanted in zip(answers, expected, strict=True):
            np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)
    int8 = quantized(prepared)
    stored = bytes_for(int8)
    for got, wanted in zip(run_tflite(lower(int8, Metadata()), *stored), run_onnx(int8, *stored), strict=True):
        assert np.abs(got.astype(int) - wanted).max() <= 1


@pytest.mark.parametrize("output", ["x", "k"])
def test_an_input_or_a_constant_that_is_an_output_itself_is_refused_by_name(output: str) -> None:
    model = graph_of([make_node("Add", ["x", "k"], ["y"])], {"x": (1, 3)}, {"k": noise(3)}, ["y", output])
    with pytest.raises(UnsupportedError, match=rf"output '{output}' is an input or a constant itself"):
        prepare(model)
