"""What a channel never falls below moves into the bias of the next layer."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto
from onnx.helper import make_node
from random_images import random_inputs
from residual_graphs import scores
from small_graphs import graph_of, noise

from edgekit.graph.prepare import prepare
from edgekit.quantization.channel_statistics import channel_statistics
from edgekit.quantization.rungs.absorb import absorb_high_biases
from edgekit.quantization.weighted_layers import with_own_constants

INPUTS = random_inputs(8)


def high_biases(pads: int = 0, outputs: tuple[str, ...] = ("out",), shared: bool = False) -> ModelProto:
    """Two convolutions; the first lifts its channels far above zero, all but the last."""
    nodes = [
        make_node("Conv", ["image", "w", "b"], ["sum"]),
        make_node("Relu", ["sum"], ["positive"]),
        make_node("Conv", ["positive", "v", "b" if shared else "c"], ["out"], pads=[pads] * 4),
    ]
    constants = {"w": noise(4, 3, 1, 1) / 4, "b": np.float32([5, 7, 9, 0]), "v": noise(4, 4, 3, 3)}
    if not shared:
        constants["c"] = noise(4)
    return prepare(graph_of(nodes, {"image": [1, 3, 8, 8]}, constants, outputs))


def test_the_network_computes_what_it_did_before_and_its_values_are_lower() -> None:
    model = high_biases()
    moved, count = absorb_high_biases(model, channel_statistics(model, INPUTS))
    assert count == 3
    expected = scores(model, INPUTS)
    np.testing.assert_allclose(scores(moved, INPUTS), expected, atol=1e-5 * np.abs(expected).max())
    before, after = (channel_statistics(found, INPUTS)["positive"] for found in (model, moved))
    assert (after.high[:3] < before.high[:3] / 2).all()
    assert after.high[3] == before.high[3]


@pytest.mark.parametrize(
    "model",
    [high_biases(pads=1), high_biases(outputs=("out", "sum")), high_biases(outputs=("out", "positive"))],
    ids=["padding would not be lifted", "the sum is an output", "the values are an output"],
)
def test_what_is_seen_elsewhere_too_stays(model: ModelProto) -> None:
    moved, count = absorb_high_biases(model, channel_statistics(model, INPUTS))
    assert count == 0
    assert moved == model


def test_layers_that_share_a_bias_are_given_their_own_first() -> None:
    model = with_own_constants(high_biases(shared=True))
    expected = scores(high_biases(shared=True), INPUTS)
    np.testing.assert_array_equal(scores(model, INPUTS), expected)
    moved, count = absorb_high_biases(model, channel_statistics(model, INPUTS))
    assert count == 3
    np.testing.assert_allclose(scores(moved, INPUTS), expected, atol=1e-5 * np.abs(expected).max())
