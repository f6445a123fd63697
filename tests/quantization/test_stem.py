"""The first layer reads channels by four where that is fast, and gives the integers that it gave before."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto
from onnx.helper import make_node
from small_graphs import bytes_for, graph_of, noise, run_onnx

from edgekit.conversion.compact import compact
from edgekit.graph.messages import constants_of
from edgekit.quantization.plan import Plan, QuantizedWeights
from edgekit.quantization.qdq import insert_qdq
from edgekit.quantization.stem import with_fast_stem
from edgekit.scales import WEIGHT_BITS, Quantization, weight_quantization

PIXELS, RESULT = Quantization.per_tensor(1 / 255, -128), Quantization.per_tensor(0.05, -7)
PLAN = Plan({"image": PIXELS, "first": Quantization.per_tensor(0.04, 3), "out": RESULT})


def stem(
    kernel: tuple[int, int] = (3, 3),
    channels: int = 3,
    size: tuple[int, int] = (12, 8),
    outputs: int = 16,
    after: int = 2000,
    **window: list[int],
) -> ModelProto:
    """A first layer, and behind it one of ``after`` outputs, which has most of the weights if they are many."""
    nodes = [make_node("Conv", ["image", "w", "b"], ["first"], **window), make_node("Conv", ["first", "v"], ["out"])]
    weights = {"w": noise(outputs, channels, *kernel), "b": noise(outputs), "v": noise(after, outputs, 1, 1, seed=1)}
    return graph_of(nodes, {"image": [1, channels, *size]}, weights)


def operators(model: ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


@settings(deadline=None, max_examples=25)
@given(
    kernel=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    pads=st.lists(st.integers(0, 3), min_size=4, max_size=4),
    channels=st.integers(1, 7),
    stride=st.sampled_from([1, 2]),
    size=st.tuples(st.integers(6, 9), st.integers(6, 9)),
)
def test_every_form_of_a_layer_gives_the_same_integers(
    kernel: tuple[int, int], pads: list[int], channels: int, stride: int, size: tuple[int, int]
) -> None:
    model = stem(kernel, channels, size, pads=pads, strides=[stride] * 2)
    plain = insert_qdq(model, PLAN, activations="uint8")
    fast = compact(insert_qdq(*with_fast_stem(model, PLAN), activations="uint8"))
    (image,) = bytes_for(plain)
    np.testing.assert_array_equal(run_onnx(fast, image)[0], run_onnx(plain, image)[0])


@pytest.mark.parametrize(
    ("model", "first"),
    [
        (stem(strides=[2, 2], pads=[1, 1, 1, 1]), "SpaceToDepth"),
        (stem((6, 6), channels=1, strides=[2, 2], pads=[2, 2, 2, 2]), "SpaceToDepth"),
        (stem(pads=[1, 1, 1, 1]), "Pad"),
        (stem(strides=[2, 2], size=(11, 8)), "Pad"),
        (stem(channels=1), "Conv"),  # three channels of zeros cost more than they save
        (stem(channels=4), "Conv"),
        (stem(outputs=8), "Conv"),
        (stem(after=16), "Conv"),  # the file would grow by more than it is worth
        (stem((1, 1)), "Conv"),
    ],
)
def test_what_a_first_layer_reads(model: ModelProto, first: str) -> None:
    assert operators(with_fast_stem(model, PLAN)[0])[0] == first


def test_a_layer_in_float_stays_as_it_is() -> None:
    plan = PLAN.with_floats(["first"])
    assert operators(with_fast_stem(stem(), plan)[0]) == ["Conv", "Conv"]


def test_weights_that_a_rung_decided_on_are_moved_with_the_kernel() -> None:
    model = stem(strides=[2, 2], pads=[1, 1, 1, 1])
    own = weight_quantization(constants_of(model)["w"], 0, WEIGHT_BITS)
    stored = np.random.default_rng(0).integers(-127, 127, constants_of(model)["w"].shape, np.int8, endpoint=True)
    plan = PLAN.with_weights({"first": QuantizedWeights(stored, own)})
    plain, nearest = (insert_qdq(model, how, activations="uint8") for how in (plan, PLAN))
    (image,) = bytes_for(plain)
    (result,) = run_onnx(insert_qdq(*with_fast_stem(model, plan), activations="uint8"), image)
    np.testing.assert_array_equal(result, run_onnx(plain, image)[0])
    assert (result != run_onnx(nearest, image)[0]).any()
