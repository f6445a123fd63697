"""The normalization of the input may go into the first layer, so that the files take raw pixels."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto
from onnx.helper import make_node
from random_images import CHANNELS, SIZE, random_inputs
from residual_graphs import scores
from small_graphs import graph_of, noise

from edgekit.data.intake import Pictures
from edgekit.graph.prepare import prepare
from edgekit.inputs.contract import InputContract
from edgekit.quantization.rungs.raw_input import raw_input
from edgekit.quantization.tensor_groups import input_affine, tie_groups

UNEVEN = InputContract(SIZE, SIZE, CHANNELS, mean=(0.48, 0.3, 0.1), std=(0.23, 0.5, 0.9))


def first_layer(*nodes: object, pads: int = 0) -> ModelProto:
    made = [make_node("Conv", ["image", "w", "b"], ["out"], pads=[pads] * 4), *nodes]
    return prepare(graph_of(made, {"image": [1, CHANNELS, SIZE, SIZE]}, {"w": noise(4, CHANNELS, 3, 3), "b": noise(4)}))


def test_raw_pixels_give_what_normalized_ones_gave() -> None:
    model, inputs = first_layer(), random_inputs(4, UNEVEN)
    folded = raw_input(model, Pictures(UNEVEN), inputs)
    assert folded is not None
    changed, contract = folded[0], folded[1].contract
    assert set(contract.std) == {1.0}
    assert len(set(contract.mean)) == 1
    expected = scores(model, inputs)
    np.testing.assert_allclose(
        scores(changed, random_inputs(4, contract)), expected, atol=1e-4 * np.abs(expected).max()
    )


def test_every_byte_is_then_stored_exactly() -> None:
    folded = raw_input(first_layer(), Pictures(UNEVEN), random_inputs(4, UNEVEN))
    assert folded is not None
    affine = input_affine(folded[1].contract)
    level = round(255 * folded[1].contract.mean[0])
    assert affine.scale == np.float32(1 / 255)
    assert affine.zero_point == level - 128


def test_padding_is_told_apart_by_one_more_channel_where_the_common_level_is_far_from_a_mean() -> None:
    """Zeros around normalized pixels are the mean colour; around raw ones they are all channels at one level."""
    model, inputs = first_layer(pads=1), random_inputs(4, UNEVEN)
    folded = raw_input(model, Pictures(UNEVEN), inputs)
    assert folded is not None
    changed, contract = folded[0], folded[1].contract
    assert [node.op_type for node in changed.graph.node] == ["Pad", "Conv"]
    expected = scores(model, inputs)
    np.testing.assert_allclose(
        scores(changed, random_inputs(4, contract)), expected, atol=1e-4 * np.abs(expected).max()
    )


def test_padding_with_nearly_the_common_level_needs_no_channel() -> None:
    close = InputContract(SIZE, SIZE, CHANNELS, mean=(0.4, 0.4, 0.4), std=(0.23, 0.5, 0.9))
    folded = raw_input(first_layer(pads=1), Pictures(close), random_inputs(4, close))
    assert folded is not None
    assert [node.op_type for node in folded[0].graph.node] == ["Conv"]


def test_the_constant_channel_is_stored_like_the_image() -> None:
    model, inputs = first_layer(pads=1), random_inputs(4, UNEVEN)
    folded = raw_input(model, Pictures(UNEVEN), inputs)
    assert folded is not None
    changed, contract = folded[0], folded[1].contract
    groups = tie_groups(changed, Pictures(contract))
    assert ["image", "image with inside"] in [list(group.tensors) for group in groups]


@pytest.mark.parametrize("reason", ["raw already", "read twice", "no convolution first"])
def test_where_it_cannot_be_done_there_is_none(reason: str) -> None:
    model, contract = first_layer(), UNEVEN
    if reason == "raw already":
        contract = InputContract(SIZE, SIZE, CHANNELS)
    elif reason == "read twice":
        nodes = [make_node("Conv", ["image", "w"], ["a"]), make_node("Concat", ["image", "a"], ["out"], axis=1)]
        weights = {"w": noise(4, CHANNELS, 1, 1)}
        model = prepare(graph_of(nodes, {"image": [1, CHANNELS, SIZE, SIZE]}, weights))
    else:
        nodes = [make_node("Relu", ["image"], ["a"]), make_node("Conv", ["a", "w"], ["out"])]
        model = prepare(graph_of(nodes, {"image": [1, CHANNELS, SIZE, SIZE]}, {"w": noise(4, CHANNELS, 1, 1)}))
    assert raw_input(model, Pictures(contract), random_inputs(2, contract)) is None
