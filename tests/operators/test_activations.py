"""Activation functions in float and in integers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lowered import ALL_KERNELS, assert_float_agrees, assert_integers_agree, node, operators_of, signed
from small_graphs import OPTIMIZED, XNNPACK, graph_of, noise

from edgekit.artifact import Metadata
from edgekit.conversion.tflite import lower
from edgekit.graph.prepare import prepare
from edgekit.modelfiles.delegation import undelegated

quick = settings(max_examples=20, deadline=None)
shapes = st.sampled_from([(1, 3, 4, 5), (1, 7), (1, 4, 6)])
SHAPE = (1, 3, 4, 5)


PLAIN = {
    "Abs": {}, "Elu": {}, "HardSigmoid": {"alpha": 1 / 6}, "HardSwish": {}, "LeakyRelu": {"alpha": 0.1}, "Relu": {},
    "Sigmoid": {}, "Tanh": {},
}  # fmt: skip
FLOAT_ONLY = ["Ceil", "Cos", "Exp", "Floor", "Log", "Neg", "Round", "Sin", "Sqrt", "Sign"]


@pytest.mark.parametrize("operator", PLAIN)
@given(shape=shapes, seed=st.integers(0, 99))
@settings(max_examples=4, deadline=None)
def test_functions_of_one_value(operator: str, shape: tuple[int, ...], seed: int) -> None:
    model = graph_of([node(operator, ["x"], ["out"], **PLAIN[operator])], {"x": shape}, opset=18)
    assert_float_agrees(model, 4 * noise(*shape, seed=seed))
    # The reference kernels have no ELU.
    assert_integers_agree(model, seed=seed, kernels=ALL_KERNELS if operator != "Elu" else (XNNPACK, OPTIMIZED))


@pytest.mark.parametrize("operator", FLOAT_ONLY)
def test_functions_in_float(operator: str) -> None:
    assert_float_agrees(graph_of([node(operator, ["x"], ["out"])], {"x": SHAPE}), 0.3 + np.abs(noise(*SHAPE)))


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu(approximate: str) -> None:
    gelu = node("Gelu", ["x"], ["out"], approximate=approximate)
    model = graph_of([gelu], {"x": SHAPE}, opset=20)
    assert_float_agrees(model, 3 * noise(*SHAPE))
    assert_integers_agree(model)


@given(alpha=st.floats(0.01, 0.9))
@quick
def test_leaky_relu_of_any_slope(alpha: float) -> None:
    assert_integers_agree(graph_of([node("LeakyRelu", ["x"], ["out"], alpha=alpha)], {"x": SHAPE}))


@given(alpha=st.floats(0.05, 1), beta=st.floats(0, 1))
@quick
def test_hard_sigmoid_of_any_slope(alpha: float, beta: float) -> None:
    hard = node("HardSigmoid", ["x"], ["out"], alpha=alpha, beta=beta)
    model = graph_of([hard], {"x": SHAPE})
    assert_float_agrees(model, 4 * noise(*SHAPE))
    assert_integers_agree(model)


@pytest.mark.parametrize(
    ("operator", "options"), [("HardSigmoid", {"beta": -0.5}), ("HardSigmoid", {"beta": 1.2}), ("Elu", {"alpha": 0.3})]
)
def test_what_no_operator_has_in_integers_is_made_of_what_has(operator: str, options: dict[str, float]) -> None:
    model = graph_of([node(operator, ["x"], ["out"], **options)], {"x": SHAPE})
    assert_float_agrees(model, 4 * noise(*SHAPE))
    assert_integers_agree(model, kernels=(XNNPACK, OPTIMIZED))


@pytest.mark.parametrize("slopes", [(3, 1, 1), (1,), (3, 4, 5)])
def test_a_relu_with_learned_slopes(slopes: tuple[int, ...]) -> None:
    constants = {"slope": 0.1 + np.abs(0.3 * noise(*slopes))}
    prelu = node("PRelu", ["x", "slope"], ["out"])
    model = graph_of([prelu], {"x": SHAPE}, constants)
    assert_float_agrees(model, noise(*SHAPE, seed=1))
    assert_integers_agree(model)


@given(limits=st.sampled_from([(0, 6), (-1, 1), (0, 1), (-3, 2), (0, 3.5), (None, 2), (-1, None), (1, 2), (0, None)]))
@quick
def test_clips_to_any_limits(limits: tuple[float | None, float | None]) -> None:
    constants = {name: np.float32(limit) for name, limit in zip(("l", "h"), limits, strict=True) if limit is not None}
    names = [name if name in constants else "" for name in ("l", "h")]
    clip = node("Clip", ["x", *names], ["out"])
    model = graph_of([clip], {"x": SHAPE}, constants)
    assert_float_agrees(model, 8 * noise(*SHAPE))
    assert_integers_agree(model, reach=8)


def test_a_clip_without_limits_is_nothing_in_a_file_of_others_too() -> None:
    model = graph_of([node("Clip", ["x"], ["clipped"]), node("Sigmoid", ["clipped"], ["out"])], {"x": (1, 7)})
    assert operators_of(lower(model, Metadata())) == ["LOGISTIC"]


def test_a_relu_of_integers_is_an_addition_that_xnnpack_takes() -> None:
    data = assert_integers_agree(graph_of([node("Relu", ["x"], ["out"])], {"x": SHAPE}))
    assert operators_of(data) == ["ADD"]


@pytest.mark.parametrize("operator", ["Softmax", "LogSoftmax"])
@given(shape=shapes, axis=st.integers(1, 3), seed=st.integers(0, 99))
@settings(max_examples=8, deadline=None)
def test_softmax_over_any_axis(operator: str, shape: tuple[int, ...], axis: int, seed: int) -> None:
    axis = min(axis, len(shape) - 1)
    softmax = node(operator, ["x"], ["out"], axis=axis - len(shape))
    model = graph_of([softmax], {"x": shape})
    assert_float_agrees(model, 2 * noise(*shape, seed=seed))
    assert_integers_agree(model, seed=seed)


def test_a_hard_swish_of_integers_is_made_of_operators_that_xnnpack_takes() -> None:
    model = graph_of([node("HardSwish", ["x"], ["out"])], {"x": SHAPE}, opset=18)
    assert operators_of(assert_float_agrees(model, noise(*SHAPE))) == ["HARD_SWISH"]
    for reach in (0.5, 2, 8):
        assert operators_of(assert_integers_agree(model, reach)) == ["ADD", "MUL", "MUL"]


def test_xnnpack_takes_the_integers_of_a_block_with_hard_activations(tmp_path: Path) -> None:
    """As in MobileNetV3."""
    constants = {"w": noise(4, 3, 3, 3), "v": noise(4, 4, 1, 1), "six": np.float32(6), "zero": np.float32(0)}
    nodes = [
        node("Conv", ["x", "w"], ["a"], pads=[1, 1, 1, 1]),
        node("HardSwish", ["a"], ["h"]),
        node("GlobalAveragePool", ["h"], ["p"]),
        node("Conv", ["p", "v"], ["q"]),
        node("HardSigmoid", ["q"], ["s"], alpha=1 / 6),
        node("Mul", ["h", "s"], ["m"]),
        node("LeakyRelu", ["m"], ["l"]),
        node("Sub", ["l", "h"], ["d"]),
        node("Clip", ["d", "zero", "six"], ["out"]),
    ]
    path = tmp_path / "block.tflite"
    integers = signed(prepare(graph_of(nodes, {"x": (1, 3, 8, 8)}, constants, opset=18)), 1.0)
    path.write_bytes(lower(integers, Metadata()))
    assert undelegated(path) == ()
