"""Two networks walked at once: the float one and the quantized one, cut where the layers are."""

from __future__ import annotations

import numpy as np
import pytest
from onnx.helper import make_node
from random_images import random_inputs
from residual_graphs import minmax_plan, residual
from small_graphs import graph_of, noise, run_onnx

from edgekit.graph.prepare import prepare
from edgekit.quantization import walk as module
from edgekit.quantization.calibrate import open_session, with_outputs
from edgekit.quantization.qdq import insert_qdq
from edgekit.quantization.walk import Walk

INPUTS = random_inputs(3)
MODEL = residual(["residual", "join"])
AFFINES = minmax_plan(MODEL, INPUTS).affines


def test_the_segments_are_the_graph_cut_before_each_layer() -> None:
    segments = Walk(MODEL, AFFINES, INPUTS).segments()
    assert segments[0].start == 0
    assert segments[-1].end == len(MODEL.graph.node)
    assert [one.end for one in segments[:-1]] == [other.start for other in segments[1:]]
    assert all(MODEL.graph.node[segment.start].op_type in ("Conv", "Gemm") for segment in segments[1:])


def test_the_float_values_are_those_of_the_model() -> None:
    names = [node.output[0] for node in MODEL.graph.node if node.output[0] in AFFINES]
    opened = open_session(with_outputs(MODEL, names), optimize=False)
    for (image,), (exact, _) in zip(INPUTS, Walk(MODEL, AFFINES, INPUTS).all_values(names, tuple), strict=True):
        for name, value in zip(names, opened.run(None, {"image": image}), strict=True):
            np.testing.assert_allclose(exact[name], value, atol=1e-5)


@pytest.mark.parametrize("budget", [0, 1 << 30])
def test_what_arrives_does_not_depend_on_what_was_kept(budget: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUDGET", budget)
    fresh, walk = Walk(MODEL, AFFINES, INPUTS), Walk(MODEL, AFFINES, INPUTS)
    for segment in walk.segments()[:-1]:
        walk.keep(segment.end)
        for expected, found in zip(fresh.values_before(segment.end), walk.values_before(segment.end), strict=True):
            for one, other in zip(expected, found, strict=True):
                assert set(one) == set(other)
                assert all(np.array_equal(one[name], other[name]) for name in one)


def test_the_quantized_values_are_those_of_the_file_but_for_its_weights() -> None:
    """With weights that 8 bits hold exactly, the walk computes what the QDQ file does."""
    weights = np.random.default_rng(0).integers(-127, 128, (4, 3, 1, 1)).astype(np.float32)
    weights[:, 0] = 127
    nodes = [make_node("Conv", ["image", "w"], ["sum"]), make_node("Relu", ["sum"], ["out"])]
    model = prepare(graph_of(nodes, {"image": [1, 3, 8, 8]}, {"w": weights}))
    plan = minmax_plan(model, INPUTS)
    file = insert_qdq(model, plan, "float32")
    for (image,), (_, rounded) in zip(
        INPUTS, Walk(model, plan.affines, INPUTS).all_values(("out",), tuple), strict=True
    ):
        np.testing.assert_allclose(rounded["out"], run_onnx(file, image)[0], atol=1.01 * plan.affines["out"].scale)


def test_integers_may_cross_a_cut() -> None:
    nodes = [
        make_node("Conv", ["image", "w"], ["a"]),
        make_node("ArgMax", ["a"], ["place"], axis=1),
        make_node("Conv", ["a", "v"], ["b"]),
        make_node("Cast", ["place"], ["real"], to=1),
        make_node("Add", ["b", "real"], ["out"]),
    ]
    model = prepare(graph_of(nodes, {"image": [1, 3, 8, 8]}, {"w": noise(4, 3, 1, 1), "v": noise(4, 4, 1, 1)}))
    walk = Walk(model, minmax_plan(model, INPUTS).affines, INPUTS)
    last = walk.segments()[-1]
    assert [set(exact) for exact, _ in walk.values_before(last.start)] == [{"a", "place"}] * 3
