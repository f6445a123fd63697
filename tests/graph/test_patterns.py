"""What exporters write as several operators becomes the one that it is, with the same answers."""

from __future__ import annotations

import math

import numpy as np
import onnx
import pytest
from onnx import helper
from prepared_graphs import assert_same_answers, operators
from small_graphs import graph_of, noise

from edgekit.graph.prepare import prepare

node = helper.make_node
NUMBERS = {
    "zero": np.float32(0),
    "half": np.float32(0.5),
    "one": np.float32(1),
    "two": np.float32(2),
    "three": np.float32(3),
    "six": np.float32(6),
    "sixth": np.float32(1 / 6),
    "root": np.float32(math.sqrt(2)),
    "tanh_slope": np.float32(math.sqrt(2 / math.pi)),
    "cubic": np.float32(0.044715),
    "epsilon": np.float32(1e-5),
    "gamma": noise(6, seed=1),
    "beta": noise(6, seed=2),
}


def prepared_from(nodes: list[onnx.NodeProto], shape: tuple[int, ...], opset: int = 13) -> list[str]:
    """Prepare a graph over ``x``, compare its answers, and return its operators."""
    used = {name for item in nodes for name in item.input}
    constants = {name: value for name, value in NUMBERS.items() if name in used}
    model = graph_of(nodes, {"x": shape}, constants, opset=opset)
    prepared = prepare(model)
    assert_same_answers(model, prepared, 4 * noise(*shape))
    return operators(prepared)


CLIPPED = [node("Add", ["x", "three"], ["a"]), node("Clip", ["a", "zero", "six"], ["c"])]


@pytest.mark.parametrize(
    ("end", "operator"),
    [
        ([node("Div", ["c", "six"], ["out"])], "HardSigmoid"),
        ([node("Mul", ["sixth", "c"], ["out"])], "HardSigmoid"),
        ([node("Mul", ["x", "c"], ["m"]), node("Div", ["m", "six"], ["out"])], "HardSwish"),
        ([node("Mul", ["c", "x"], ["m"]), node("Mul", ["m", "sixth"], ["out"])], "HardSwish"),
        ([node("Div", ["c", "six"], ["d"]), node("Mul", ["x", "d"], ["out"])], "HardSwish"),
    ],
)
def test_hard_activations(end: list[onnx.NodeProto], operator: str) -> None:
    assert prepared_from([*CLIPPED, *end], (1, 3, 4, 4)) == [operator]


def test_hard_swish_made_of_min_and_max() -> None:
    nodes = [
        node("Add", ["x", "three"], ["a"]),
        node("Max", ["a", "zero"], ["b"]),
        node("Min", ["six", "b"], ["c"]),
        node("Mul", ["x", "c"], ["m"]),
        node("Div", ["m", "six"], ["out"]),
    ]
    assert prepared_from(nodes, (1, 6)) == ["HardSwish"]


def test_hard_sigmoid_times_another_value_stays() -> None:
    nodes = [*CLIPPED, node("Div", ["c", "six"], ["d"]), node("Abs", ["x"], ["y"]), node("Mul", ["y", "d"], ["out"])]
    assert sorted(prepared_from(nodes, (1, 6))) == ["Abs", "HardSigmoid", "Mul"]


ERF = [node("Div", ["x", "root"], ["d"]), node("Erf", ["d"], ["e"]), node("Add", ["e", "one"], ["s"])]
TANH = [
    node("Pow", ["x", "three"], ["p"]),
    node("Mul", ["p", "cubic"], ["q"]),
    node("Add", ["x", "q"], ["r"]),
    node("Mul", ["r", "tanh_slope"], ["t"]),
    node("Tanh", ["t"], ["h"]),
    node("Add", ["h", "one"], ["s"]),
]


@pytest.mark.parametrize("start", [ERF, TANH])
@pytest.mark.parametrize(
    "end",
    [
        [node("Mul", ["x", "s"], ["m"]), node("Mul", ["m", "half"], ["out"])],
        [node("Mul", ["x", "half"], ["m"]), node("Mul", ["m", "s"], ["out"])],
        [node("Mul", ["half", "s"], ["m"]), node("Mul", ["x", "m"], ["out"])],
        [node("Mul", ["s", "x"], ["m"]), node("Div", ["m", "two"], ["out"])],
    ],
)
def test_gelu_in_any_order_of_its_factors(start: list[onnx.NodeProto], end: list[onnx.NodeProto]) -> None:
    assert prepared_from([*start, *end], (2, 6)) == ["Gelu"]


def attention(*between: onnx.NodeProto) -> list[onnx.NodeProto]:
    """As torch exports it: where a row of scores is masked altogether, its weights are no numbers and become 0."""
    guard = [node("IsNaN", ["weights"], ["none"]), node("Where", ["none", "zero", "weights"], ["out"])]
    scores = between[-1].output[0] if between else "products"
    softmax = node("Softmax", [scores], ["weights"], axis=-1)
    return [node("MatMul", ["x", "x"], ["products"]), *between, softmax, *guard]


def test_attention_without_a_mask_needs_no_guard_against_one() -> None:
    assert prepared_from(attention(), (1, 6, 6)) == ["MatMul", "Softmax"]
    assert prepared_from(attention(node("Mul", ["products", "half"], ["scaled"])), (1, 6, 6))[-1] == "Softmax"


def test_attention_with_a_mask_keeps_its_guard() -> None:
    masked = node("Add", ["products", "beta"], ["masked"])
    assert prepared_from(attention(masked), (1, 6, 6))[-1] == "Where"
    assert prepared_from(attention(masked, node("Mul", ["masked", "half"], ["scaled"])), (1, 6, 6))[-1] == "Where"


def test_what_only_looks_like_gelu_is_left_alone() -> None:
    nodes = [*ERF, node("Mul", ["x", "s"], ["m"]), node("Mul", ["m", "two"], ["out"])]
    assert "Gelu" not in prepared_from(nodes, (2, 6))


@pytest.mark.parametrize("square", ["Pow", "Mul"])
@pytest.mark.parametrize("affine", [True, False])
def test_layer_normalization(square: str, affine: bool) -> None:
    squared = node("Pow", ["c", "two"], ["q"]) if square == "Pow" else node("Mul", ["c", "c"], ["q"])
    nodes = [
        node("ReduceMean", ["x"], ["m"], axes=[-1]),
        node("Sub", ["x", "m"], ["c"]),
        squared,
        node("ReduceMean", ["q"], ["v"], axes=[-1]),
        node("Add", ["v", "epsilon"], ["e"]),
        node("Sqrt", ["e"], ["s"]),
        node("Div", ["c", "s"], ["n" if affine else "out"]),
    ]
    if affine:
        nodes += [node("Mul", ["gamma", "n"], ["g"]), node("Add", ["g", "beta"], ["out"])]
    assert prepared_from(nodes, (1, 5, 6)) == ["LayerNormalization"]


def test_a_normalization_over_the_first_axis_stays_as_it_is() -> None:
    nodes = [
        node("ReduceMean", ["x"], ["m"], axes=[1]),
        node("Sub", ["x", "m"], ["c"]),
        node("Pow", ["c", "two"], ["q"]),
        node("ReduceMean", ["q"], ["v"], axes=[1]),
        node("Add", ["v", "epsilon"], ["e"]),
        node("Sqrt", ["e"], ["s"]),
        node("Div", ["c", "s"], ["out"]),
    ]
    assert "LayerNormalization" not in prepared_from(nodes, (1, 5, 6))


def test_clips_and_relus_in_a_row_are_one_clip() -> None:
    nodes = [node("Relu", ["x"], ["a"]), node("Min", ["a", "six"], ["b"]), node("Clip", ["b", "half"], ["out"])]
    assert prepared_from(nodes, (1, 6)) == ["Clip"]


def test_clips_whose_limits_exclude_each_other_stay() -> None:
    nodes = [node("Clip", ["x", "two", "three"], ["a"]), node("Clip", ["a", "zero", "one"], ["out"])]
    assert prepared_from(nodes, (1, 6)) == ["Clip", "Clip"]


def test_the_limits_of_old_clips_are_attributes() -> None:
    assert prepared_from([node("Clip", ["x"], ["out"], min=0.0, max=6.0)], (1, 6), opset=9) == ["Clip"]
    assert prepared_from([node("Clip", ["x"], ["out"], min=0.0)], (1, 6), opset=9) == ["Relu"]


def test_a_swish_of_the_newest_operator_sets_is_written_out() -> None:
    nodes = [node("Swish", ["x"], ["out"])]
    assert sorted(prepared_from(nodes, (1, 6), opset=24)) == ["Mul", "Sigmoid"]
