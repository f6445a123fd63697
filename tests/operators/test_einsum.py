"""Einsum, as products and sums: the float and the int8 .tflite give the values that ONNX Runtime gives."""

from __future__ import annotations

import numpy as np
import pytest
from lowered import assert_float_agrees, assert_integers_agree, operators_of
from onnx import helper
from small_graphs import graph_of, noise

from edgekit.artifact import Metadata
from edgekit.conversion.tflite import lower
from edgekit.errors import UnsupportedError
from edgekit.graph.prepare import prepare

node = helper.make_node
SIZES = {"b": 2, "h": 3, "i": 4, "j": 5, "d": 6, "c": 4, "k": 3}
EQUATIONS = [
    "bhid,bhjd->bhij", "bhij,bhjd->bhid", "bhij,bjhd->bihd", "bhic,hjc->bhij", "bhwc,wkc->bhwk",
    "bid,bjd", "bij,bij->bi", "bi,bj->bij", "bi,bi->bi", "bij->bji", "bij->b", "bij->", "bhi,bhj->bij",
    "bhi,hj,jk->bik", "...ij,...jd->...id", "bijk,...k->bij...", "b...,b...->b...",
]  # fmt: skip


def shapes_of(equation: str) -> list[tuple[int, ...]]:
    terms = equation.split("->")[0].replace("...", "bh" if "j" in equation else "h").split(",")
    return [tuple(SIZES.get(label, 2) for label in term) for term in terms]


@pytest.mark.parametrize("equation", EQUATIONS)
def test_products_of_values(equation: str) -> None:
    shapes = shapes_of(equation)
    names = "xyz"[: len(shapes)]
    nodes = [node("Einsum", list(names), ["product"], equation=equation), node("Reshape", ["product", "s"], ["out"])]
    model = graph_of(nodes, dict(zip(names, shapes, strict=True)), {"s": np.asarray([1, -1])})
    inputs = [noise(*shape, seed=seed) for seed, shape in enumerate(shapes)]
    assert_float_agrees(model, *inputs)
    if len(shapes) == 2:
        assert_integers_agree(model)


@pytest.mark.parametrize(
    ("equation", "shape", "weights"),
    [("bid,dj->bij", (1, 4, 6), (6, 5)), ("oc,bct->bot", (3, 4), (1, 4, 7)), ("bid,dhk->bhik", (1, 4, 6), (6, 2, 3))],
)
def test_products_with_constant_weights_are_fully_connected(equation: str, shape, weights) -> None:
    names = ["w", "x"] if equation.startswith("o") else ["x", "w"]
    sizes = dict(zip(names, (shape, weights), strict=True))
    nodes = [node("Einsum", names, ["product"], equation=equation), node("Reshape", ["product", "s"], ["out"])]
    constants = {"w": noise(*sizes["w"]), "s": np.asarray([1, -1])}
    model = graph_of(nodes, {"x": sizes["x"]}, constants)
    assert "FULLY_CONNECTED" in operators_of(assert_float_agrees(model, noise(*sizes["x"])))
    assert_integers_agree(model)


def test_attention_needs_no_more_than_two_products() -> None:
    nodes = [
        node("Einsum", ["q", "k"], ["scores"], equation="bihd,bjhd->bhij"),
        node("Softmax", ["scores"], ["shares"]),
        node("Einsum", ["shares", "v"], ["out"], equation="bhij,bjhd->bihd"),
    ]
    shape = (1, 5, 2, 4)
    model = graph_of(nodes, dict.fromkeys("qkv", shape))
    prepared = prepare(model)
    assert sorted({item.op_type for item in prepared.graph.node}) == ["MatMul", "Softmax", "Transpose"]


def test_a_diagonal_is_refused_by_name() -> None:
    model = graph_of([node("Einsum", ["x"], ["out"], "trace", equation="bii->bi")], {"x": (2, 3, 3)})
    with pytest.raises(UnsupportedError, match="Einsum 'trace' has no TFLite form"):
        lower(prepare(model), Metadata())
