"""Each ONNX operator has one row, and what the row says hangs together."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterator
from types import FunctionType

import pytest
from lowered import assert_float_agrees
from onnx import defs, helper
from small_graphs import graph_of, noise

from edgekit.errors import UnsupportedError
from edgekit.operators import FAMILIES, OPERATORS, row_of
from edgekit.operators.operator import Channels, Operator
from edgekit.scales import Quantization

every_row = pytest.mark.parametrize("row", OPERATORS.values(), ids=OPERATORS)


def lowerings() -> Iterator[FunctionType]:
    """The public functions of the families that lower a node."""
    for family in FAMILIES:
        for name, function in inspect.getmembers(family, inspect.isfunction):
            here = function.__module__ == family.__name__ and not name.startswith("_")
            if here and list(inspect.signature(function).parameters) == ["low", "node"]:
                yield function


def test_an_operator_has_one_row() -> None:
    counts = Counter(row.name for family in FAMILIES for row in family.OPERATORS)
    assert set(counts.values()) == {1}


def test_every_lowering_has_a_row() -> None:
    assert set(lowerings()) == {row.lower for row in OPERATORS.values()}


@every_row
def test_a_row_is_of_an_operator_of_onnx_and_its_lowering_says_what_it_does(row: Operator) -> None:
    assert defs.has(row.name)
    assert row.lower.__doc__


@every_row
def test_what_a_row_says_hangs_together(row: Operator) -> None:
    rule = row.int8
    if row.weights is not None:
        assert rule is not None, "weights of its own are integers"
        assert not rule.ties
        assert not row.linear, "its weights' scales take up any factor"
    if rule is not None and rule.ties:
        assert row.linear, "one scale for inputs and output is one unit"
        assert rule.output is None
    if rule is not None and rule.output is not None:
        assert not row.linear
        assert not row.takes_activation
    if row.is_activation:
        assert row.per_value
        assert not row.takes_activation
    if row.channels is not Channels.MIXED:
        assert row.linear or row.name == "Clip"
    if row.reshapes:
        assert rule is not None
        assert rule.ties


@pytest.mark.parametrize(
    ("name", "scale", "zero_point"),
    [("Softmax", 1 / 256, -128), ("Sigmoid", 1 / 256, -128), ("Tanh", 1 / 128, 0), ("LogSoftmax", 16 / 256, 127)],
)
def test_outputs_of_bounded_functions_have_the_scales_of_the_specification(
    name: str, scale: float, zero_point: int
) -> None:
    rule = OPERATORS[name].int8
    assert rule is not None
    assert rule.output == Quantization.per_tensor(scale, zero_point)


def test_weights_have_a_scale_for_each_output_channel_but_for_fully_connected_layers() -> None:
    assert {row.name: (row.weights.axis, row.int8_axis) for row in OPERATORS.values() if row.weights is not None} == {
        "Conv": (0, 0),
        "ConvTranspose": (1, 1),
        "Gemm": (0, None),
    }


def test_an_operator_without_a_row_is_refused_in_one_sentence_that_names_the_page() -> None:
    assert row_of("Det").int8 is None
    nodes = [helper.make_node("Det", ["x"], ["out"], "odd")]
    with pytest.raises(UnsupportedError, match=r"Det 'odd' has no TFLite form; .*docs/operators.md") as raised:
        assert_float_agrees(graph_of(nodes, {"x": (2, 4, 4)}), noise(2, 4, 4))
    assert len(str(raised.value)) < 150


def test_an_operator_without_a_row_behind_a_row_of_values_is_the_one_that_is_refused() -> None:
    nodes = [helper.make_node("Flatten", ["x"], ["row"]), helper.make_node("Hardmax", ["row"], ["out"], "odd")]
    with pytest.raises(UnsupportedError, match="Hardmax 'odd' has no TFLite form"):
        assert_float_agrees(graph_of(nodes, {"x": (1, 2, 3, 4)}), noise(1, 2, 3, 4))
