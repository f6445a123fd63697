"""Padding of every kind, in float and in integers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lowered import assert_float_agrees, assert_integers_agree, node
from small_graphs import graph_of, noise

shapes = st.sampled_from([(1, 3, 4, 5), (1, 7), (1, 4, 6)])
amounts = st.lists(st.integers(0, 2), min_size=8, max_size=8)


@given(
    shapes, amounts, st.sampled_from(["constant", "reflect", "edge", "wrap"]), st.sampled_from([0.0, 0.0, 1.5, -2.0])
)
@settings(max_examples=25, deadline=None)
def test_padding_of_each_mode(shape: tuple[int, ...], given_amounts: list[int], mode: str, value: float) -> None:
    pads = np.asarray(given_amounts, np.int64).reshape(2, 4)[:, : len(shape)].copy()
    pads[:, 0] = 0
    constants = {"pads": pads.reshape(-1), "value": np.float32(value)}
    names = ["pads", "value"] if mode == "constant" else ["pads"]
    model = graph_of([node("Pad", ["x", *names], ["out"], mode=mode)], {"x": shape}, constants, opset=19)
    assert_float_agrees(model, noise(*shape))
    assert_integers_agree(model)


@pytest.mark.parametrize("grown", [0, 2])
def test_padding_of_less_than_nothing_leaves_values_out(grown: int) -> None:
    constants = {"pads": np.asarray([0, -1, grown, 0, 0, 0, 0, -2], np.int64)}
    nodes = [node("Identity", ["x"], ["y"]), node("Pad", ["y", "pads"], ["out"])]
    model = graph_of(nodes, {"x": (1, 3, 4, 5)}, constants)
    assert_float_agrees(model, noise(1, 3, 4, 5))
    assert_integers_agree(model)


def test_padding_of_some_axes_by_number() -> None:
    constants = {"pads": np.asarray([1, 2, 0, 1], np.int64), "axes": np.asarray([-1, 1], np.int64)}
    model = graph_of([node("Pad", ["x", "pads", "", "axes"], ["out"])], {"x": (1, 3, 4, 5)}, constants, opset=18)
    assert_float_agrees(model, noise(1, 3, 4, 5))
    assert_integers_agree(model)
