"""Normalisation by the values' own statistics, and functions composed of several operators, in float."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lowered import assert_float_agrees, node
from small_graphs import graph_of, noise

quick = settings(max_examples=12, deadline=None)
IMAGE = (1, 6, 4, 5)


@given(
    shape=st.sampled_from([(1, 7), (1, 4, 6), IMAGE]),
    axis=st.integers(1, 3),
    shift=st.booleans(),
    epsilon=st.sampled_from([1e-5, 0.1]),
)
@quick
def test_layers_over_the_last_axes(shape: tuple[int, ...], axis: int, shift: bool, epsilon: float) -> None:
    axis = min(axis, len(shape) - 1)
    weights = {"w": noise(*shape[axis:]), **({"b": noise(*shape[axis:], seed=1)} if shift else {})}
    norm = node("LayerNormalization", ["x", *weights], ["out"], axis=axis - len(shape), epsilon=epsilon)
    assert_float_agrees(graph_of([norm], {"x": shape}, weights, opset=18), 3 + noise(*shape, seed=2))


@pytest.mark.parametrize(("opset", "width"), [(18, 3), (21, 6)])
def test_groups_of_channels(opset: int, width: int) -> None:
    """With a factor and a shift for each group, or for each channel."""
    norm = node("GroupNormalization", ["x", "w", "b"], ["n"], num_groups=3, epsilon=1e-3)
    weights = {"w": noise(width), "b": noise(width, seed=1)}
    model = graph_of([norm, node("Relu", ["n"], ["out"])], {"x": IMAGE}, weights, opset=opset)
    assert_float_agrees(model, 3 + noise(*IMAGE, seed=2))


def test_each_image_channel_by_itself() -> None:
    norm = node("InstanceNormalization", ["x", "w", "b"], ["out"], epsilon=1e-3)
    model = graph_of([norm], {"x": IMAGE}, {"w": noise(6), "b": noise(6, seed=1)})
    assert_float_agrees(model, 3 + noise(*IMAGE, seed=2))


def test_groups_of_channels_as_exporters_write_them() -> None:
    constants = {"s": np.asarray([1, 2, -1]), "w": np.ones(2, np.float32), "b": np.zeros(2, np.float32),
                 "t": np.asarray(IMAGE), "gamma": noise(6, 1, 1), "beta": noise(6, 1, 1, seed=1)}  # fmt: skip
    nodes = [node("Reshape", ["x", "s"], ["r"]), node("InstanceNormalization", ["r", "w", "b"], ["n"]),
             node("Reshape", ["n", "t"], ["u"]), node("Mul", ["u", "gamma"], ["m"]),
             node("Add", ["m", "beta"], ["out"])]  # fmt: skip
    assert_float_agrees(graph_of(nodes, {"x": IMAGE}, constants), 3 + noise(*IMAGE, seed=2))


@pytest.mark.parametrize("axis", [1, 2, -1])
def test_vectors_of_length_one(axis: int) -> None:
    assert_float_agrees(graph_of([node("LpNormalization", ["x"], ["out"], axis=axis)], {"x": IMAGE}), noise(*IMAGE))


def test_the_response_among_neighbouring_channels() -> None:
    norm = node("LRN", ["x"], ["out"], size=3, alpha=0.1, beta=0.6, bias=2.0)
    assert_float_agrees(graph_of([norm], {"x": IMAGE}), noise(*IMAGE))


@pytest.mark.parametrize(
    ("operator", "options"),
    [("Softplus", {}), ("Mish", {}), ("Softsign", {}), ("Selu", {}), ("Elu", {"alpha": 0.3}), ("Reciprocal", {})],
)
def test_functions_of_several_operators(operator: str, options: dict[str, float]) -> None:
    values = 20 * noise(1, 3, 4, 5)
    values += np.sign(values)
    assert_float_agrees(graph_of([node(operator, ["x"], ["out"], **options)], {"x": (1, 3, 4, 5)}, opset=18), values)
