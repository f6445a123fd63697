"""Equalized channels: the same function, easier to store in 8 bits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto
from onnx.helper import make_node
from random_images import CONTRACT, random_inputs, random_split
from residual_graphs import BLOCKS, minmax_plan, residual, scores
from small_graphs import graph_of, noise

from edgekit.data.intake import Pictures
from edgekit.graph.prepare import prepare
from edgekit.operators.weight_scheme import EIGHT_BITS, WeightScheme
from edgekit.quantization.channel_statistics import channel_statistics
from edgekit.quantization.judge import Judge
from edgekit.quantization.rungs.equalize import equalize

INPUTS = random_inputs(8)


def equalized(model: ModelProto, scheme: WeightScheme = EIGHT_BITS) -> ModelProto:
    return equalize(model, channel_statistics(model, INPUTS), scheme)


def sqnr(original: ModelProto, model: ModelProto, **options: object) -> float:
    judge = Judge(original, Pictures(CONTRACT), random_split(8), np.arange(8))
    return judge.judge(model, minmax_plan(model, INPUTS, **options), Pictures(CONTRACT)).sqnr_db


@settings(max_examples=12)
@given(st.lists(st.sampled_from(BLOCKS), max_size=4), st.integers(0, 1000), st.floats(0, 2.5), st.booleans())
def test_the_network_computes_what_it_did_before(blocks: list[str], seed: int, spread: float, per_tensor: bool) -> None:
    model = residual(blocks, seed, spread)
    expected = scores(model, INPUTS)
    found = scores(equalized(model, WeightScheme(per_tensor)), INPUTS)
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_channels_of_very_different_ranges_come_closer() -> None:
    model = residual(["conv_relu"], seed=1, spread=2.5)
    name = model.graph.node[1].output[0]

    def disparity(of: ModelProto) -> float:
        spread = channel_statistics(of, INPUTS)[name].spread
        return float(spread.max() / spread[spread > 0].min())

    assert disparity(model) > 50
    assert disparity(equalized(model)) < disparity(model) / 10


@pytest.mark.parametrize("blocks", [["conv_relu"], ["residual", "residual"], ["depthwise", "conv_relu"]])
def test_what_8_bits_add_to_the_scores_shrinks(blocks: list[str]) -> None:
    model = residual(blocks, seed=1, spread=2.5)
    assert sqnr(model, equalized(model)) > sqnr(model, model) + 6


def test_with_one_scale_for_all_weights_of_a_layer_the_gain_is_large() -> None:
    model = residual(["depthwise", "conv_relu", "residual"], seed=2, spread=2.5)
    whole = WeightScheme(per_tensor=True)
    assert sqnr(model, equalized(model, whole), scheme=whole) > sqnr(model, model, scheme=whole) + 12


def test_a_clip_is_never_reached_by_what_it_let_pass_before() -> None:
    model = residual(["clipped"], spread=2.5)
    clip = next(node for node in model.graph.node if node.op_type == "Clip")
    before = channel_statistics(model, INPUTS)[clip.output[0]].high
    after = channel_statistics(equalized(model), INPUTS)[clip.output[0]].high
    assert (after >= before * (1 - 1e-5)).all()
    assert (after <= 6 + 1e-5).all()


ODD = {
    "channels in reverse": [make_node("Slice", ["a", "last", "first", "one", "back"], ["o"])],
    "rows become the batch": [make_node("Reshape", ["a", "rows"], ["r"]), make_node("Gemm", ["r", "m"], ["o"])],
    "the mean over channels": [
        make_node("ReduceMean", ["a", "one"], ["r"], keepdims=0),
        make_node("Conv", ["r", "m3"], ["o"]),
    ],
    "a sum along another axis": [
        make_node("GlobalAveragePool", ["a"], ["p"]),
        make_node("Flatten", ["p"], ["f"]),
        make_node("Add", ["a", "f"], ["o"]),
    ],
}


@pytest.mark.parametrize("name", ODD)
def test_channels_that_change_their_places_keep_their_units(name: str) -> None:
    nodes = [
        make_node("Conv", ["image", "w"], ["c"], strides=[2, 2]),
        make_node("Relu", ["c"], ["a"]),
        *ODD[name],
        make_node("Relu", ["o"], ["out"]),
    ]
    weights = noise(4, 3, 1, 1) * np.float32([0.1, 1, 10, 3]).reshape(4, 1, 1, 1)
    integers = {"last": [-1], "first": [-99], "one": [1], "back": [-1], "rows": [16, 4]}
    constants = {"w": weights, "m": noise(4, 4), "m3": noise(4, 4, 1)}
    constants |= {key: np.asarray(value, np.int64) for key, value in integers.items()}
    used = {key for node in nodes for key in node.input}
    kept = {key: value for key, value in constants.items() if key in used}
    model = prepare(graph_of(nodes, {"image": [1, 3, 8, 8]}, kept, opset=20))
    expected = scores(model, INPUTS)
    np.testing.assert_allclose(scores(equalized(model), INPUTS), expected, atol=1e-4 * np.abs(expected).max())


def test_a_network_without_layers_is_left_as_it_is() -> None:
    model = prepare(graph_of([make_node("Relu", ["image"], ["out"])], {"image": [1, 3, 8, 8]}))
    assert equalized(model) is model
