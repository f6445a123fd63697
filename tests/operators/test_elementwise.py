"""Arithmetic on two tensors with any broadcasting, in float and in integers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lowered import assert_float_agrees, assert_integers_agree, node
from onnx import TensorProto
from small_graphs import graph_of, noise

quick = settings(max_examples=20, deadline=None)


@st.composite
def broadcasts(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Two shapes that broadcast together; the first has the batch of 1 that a model input has."""
    full = (1, *draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)))
    ones = draw(st.lists(st.booleans(), min_size=len(full), max_size=len(full)))
    shrunk = tuple(1 if one else size for one, size in zip(ones, full, strict=True))
    return full, shrunk[draw(st.integers(0, len(full) - 1)) :]


@given(broadcasts(), st.sampled_from(["Add", "Sub", "Mul", "Div", "Max", "Min"]), st.booleans())
@quick
def test_arithmetic_with_a_constant(shapes, operator: str, first: bool) -> None:
    full, other = shapes
    constant = {"c": np.float32(1.5) + np.abs(noise(*other))}
    names = ["c", "x"] if first else ["x", "c"]
    model = graph_of([node(operator, names, ["out"])], {"x": full}, constant)
    assert_float_agrees(model, 2 + np.abs(noise(*full, seed=1)))


@given(broadcasts(), st.sampled_from(["Add", "Sub", "Mul", "Div", "Max", "Min"]), st.booleans())
@quick
def test_arithmetic_between_activations(shapes, operator: str, first: bool) -> None:
    full, other = shapes
    names = ["y", "x"] if first else ["x", "y"]
    model = graph_of([node(operator, names, ["out"])], {"x": full, "y": other})
    assert_float_agrees(model, 2 + np.abs(noise(*full, seed=1)), 2 + np.abs(noise(*other)))


def test_both_operands_are_broadcast() -> None:
    model = graph_of([node("Mul", ["x", "y"], ["out"])], {"x": (1, 3, 1, 1), "y": (1, 1, 4, 5)})
    assert_float_agrees(model, noise(1, 3, 1, 1), noise(1, 1, 4, 5))
    assert_integers_agree(model)


@given(broadcasts(), st.sampled_from(["Add", "Sub", "Mul", "Max", "Min"]), st.booleans())
@quick
def test_integer_arithmetic_with_a_constant(shapes, operator: str, first: bool) -> None:
    full, other = shapes
    names = ["c", "x"] if first else ["x", "c"]
    assert_integers_agree(graph_of([node(operator, names, ["out"])], {"x": full}, {"c": noise(*other)}))


@given(broadcasts(), st.sampled_from(["Add", "Sub", "Mul", "Max", "Min"]))
@quick
def test_integer_arithmetic_between_activations(shapes, operator: str) -> None:
    full, other = shapes
    assert_integers_agree(graph_of([node(operator, ["x", "y"], ["out"])], {"x": full, "y": other}))


@pytest.mark.parametrize("operator", ["Add", "Sub", "Mul"])
def test_an_activation_function_behind_it_is_fused(operator: str) -> None:
    nodes = [node(operator, ["x", "y"], ["a"]), node("Relu", ["a"], ["out"])]
    model = graph_of(nodes, {"x": (1, 3, 4, 4), "y": (1, 3, 4, 4)})
    assert_float_agrees(model, noise(1, 3, 4, 4), noise(1, 3, 4, 4, seed=1))
    assert_integers_agree(model)


@pytest.mark.parametrize("operator", ["Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual"])
@pytest.mark.parametrize("other", [(1, 3, 4, 5), (3, 1, 1)])
def test_a_choice_by_comparison(operator: str, other: tuple[int, ...]) -> None:
    nodes = [node(operator, ["x", "c"], ["truth"]), node("Where", ["truth", "x", "zero"], ["out"])]
    values = np.rint(2 * noise(1, 3, 4, 5, seed=1))
    model = graph_of(nodes, {"x": (1, 3, 4, 5)}, {"c": np.rint(noise(*other)), "zero": np.float32(0.5)})
    assert_float_agrees(model, values)


def test_truth_values_and_whole_numbers_become_floats_again() -> None:
    nodes = [
        node("Greater", ["x", "c"], ["truth"]),
        node("Cast", ["truth"], ["one"], to=TensorProto.FLOAT),
        node("Cast", ["x"], ["whole"], to=TensorProto.INT32),
        node("Cast", ["whole"], ["cut"], to=TensorProto.FLOAT),
        node("Add", ["one", "cut"], ["out"]),
    ]
    assert_float_agrees(graph_of(nodes, {"x": (1, 3, 4, 5)}, {"c": np.float32(0.1)}), 3 * noise(1, 3, 4, 5))


def test_a_power() -> None:
    model = graph_of([node("Pow", ["x", "e"], ["out"])], {"x": (1, 3, 4, 5)}, {"e": np.float32([1.5]).reshape(1, 1, 1)})
    assert_float_agrees(model, np.abs(noise(1, 3, 4, 5)))
