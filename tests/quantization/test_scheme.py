"""Which tensors are stored, and which share a scale."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto, NodeProto
from onnx.helper import make_node
from small_graphs import graph_of, noise

from edgekit.data.intake import Pictures
from edgekit.errors import UnsupportedError
from edgekit.inputs.contract import InputContract
from edgekit.quantization.tensor_groups import affines, check_operators, float_operators, stored_tensors, tie_groups
from edgekit.scales import PIXELS, Quantization

PIXEL_CONTRACT = InputContract(8, 8, 2)


def model(*nodes: NodeProto, outputs: tuple[str, ...] = ("out",)) -> ModelProto:
    constants = {"w": noise(2, 2, 1, 1), "zero": np.float32(0), "six": np.float32(6), "nine": np.float32(9)}
    return graph_of(nodes, {"image": [1, 2, 8, 8]}, constants, outputs)


def test_what_an_operator_hands_to_its_own_activation_is_not_stored() -> None:
    graph = model(make_node("Conv", ["image", "w"], ["sum"]), make_node("Relu", ["sum"], ["out"]))
    assert stored_tensors(graph) == ("image", "out")


def test_what_something_else_reads_too_is_stored() -> None:
    graph = model(
        make_node("Conv", ["image", "w"], ["sum"]),
        make_node("Relu", ["sum"], ["positive"]),
        make_node("Add", ["sum", "positive"], ["out"]),
    )
    assert stored_tensors(graph) == ("image", "sum", "positive", "out")


@pytest.mark.parametrize(("limit", "stored"), [("six", ("image", "out")), ("nine", ("image", "sum", "out"))])
def test_a_clip_is_fused_if_runtimes_have_it_as_an_activation(limit: str, stored: tuple[str, ...]) -> None:
    graph = model(make_node("Conv", ["image", "w"], ["sum"]), make_node("Clip", ["sum", "zero", limit], ["out"]))
    assert stored_tensors(graph) == stored


def test_pooling_keeps_the_scale_of_its_input_and_a_convolution_does_not() -> None:
    graph = model(
        make_node("Conv", ["image", "w"], ["features"]),
        make_node("MaxPool", ["features"], ["pooled"], kernel_shape=[2, 2]),
        make_node("Flatten", ["pooled"], ["out"]),
    )
    assert [group.tensors for group in tie_groups(graph, Pictures(PIXEL_CONTRACT))] == [
        ("image",),
        ("features", "pooled", "out"),
    ]


def test_raw_pixels_have_the_scale_of_a_byte_and_so_has_what_is_tied_to_them() -> None:
    graph = model(make_node("MaxPool", ["image"], ["out"], kernel_shape=[2, 2]))
    (group,) = tie_groups(graph, Pictures(PIXEL_CONTRACT))
    assert group.fixed == PIXELS
    assert affines([group], [(-9.0, 9.0)]) == {"image": PIXELS, "out": PIXELS}


def test_normalised_pixels_have_the_range_that_their_contract_allows() -> None:
    contract = InputContract(8, 8, 2, mean=(0.5, 0.25), std=(0.5, 0.25))
    graph = model(make_node("Relu", ["image"], ["out"]))
    fixed = tie_groups(graph, Pictures(contract))[0].fixed
    assert fixed is not None
    assert fixed.low == pytest.approx(-1, abs=0.02)
    assert fixed.high == pytest.approx(3, abs=0.02)


def test_softmax_has_the_scale_that_the_specification_sets() -> None:
    graph = model(make_node("Softmax", ["image"], ["out"]))
    assert tie_groups(graph, Pictures(PIXEL_CONTRACT))[1].fixed == Quantization.per_tensor(1 / 256, -128)


def test_tensors_with_two_fixed_scales_are_not_tied() -> None:
    graph = model(make_node("Softmax", ["image"], ["soft"]), make_node("Concat", ["image", "soft"], ["out"], axis=1))
    fixed = {name: group.fixed for group in tie_groups(graph, Pictures(PIXEL_CONTRACT)) for name in group.tensors}
    assert fixed["image"] == PIXELS
    assert fixed["soft"] == Quantization.per_tensor(1 / 256, -128)


def test_what_is_joined_with_the_image_keeps_a_range_of_its_own() -> None:
    """Else the features would be clipped to the range of the pixels, [0, 1]."""
    graph = model(
        make_node("Conv", ["image", "w"], ["features"]),
        make_node("Concat", ["image", "features"], ["out"], axis=1),
    )
    groups = tie_groups(graph, Pictures(PIXEL_CONTRACT))
    assert [(group.tensors, group.fixed) for group in groups] == [(("image",), PIXELS), (("features", "out"), None)]


def test_an_operator_without_an_int8_form_stays_in_float() -> None:
    graph = model(make_node("Relu", ["image"], ["positive"]), make_node("Log", ["positive"], ["out"]))
    check_operators(graph)
    assert float_operators(graph) == {"out"}


def test_weights_that_are_computed_are_refused() -> None:
    graph = model(make_node("Relu", ["w"], ["made"]), make_node("Conv", ["image", "made"], ["out"], name="odd"))
    with pytest.raises(UnsupportedError, match="'odd' is a Conv whose weights are computed"):
        check_operators(graph)
