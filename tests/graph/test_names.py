"""Short names keep a model's meaning, its inputs and its outputs."""

from __future__ import annotations

import numpy as np
import onnx
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx.helper import make_node
from random_images import random_inputs
from residual_graphs import BLOCKS, minmax_plan, residual
from small_graphs import graph_of, noise, run_onnx

from edgekit.graph.names import with_short_names
from edgekit.quantization.qdq import insert_qdq

(IMAGE,) = next(iter(random_inputs(1)))


@settings(max_examples=8)
@given(st.lists(st.sampled_from(BLOCKS), max_size=3), st.booleans())
def test_the_answers_are_identical(blocks: list[str], quantized: bool) -> None:
    model = residual(blocks)
    if quantized:
        model = insert_qdq(model, minmax_plan(model, random_inputs(2)), "float32", "uint8")
    renamed = with_short_names(model)
    onnx.checker.check_model(renamed, full_check=True)
    np.testing.assert_array_equal(run_onnx(renamed, IMAGE)[0], run_onnx(model, IMAGE)[0])


def test_inputs_and_outputs_keep_their_names_and_all_others_have_short_ones() -> None:
    model = insert_qdq(residual(BLOCKS), minmax_plan(residual(BLOCKS), random_inputs(2)))
    renamed = with_short_names(model)
    ends = [value.name for value in (*renamed.graph.input, *renamed.graph.output)]
    assert ends == ["image", "scores"]
    names = {name for node in renamed.graph.node for name in (*node.input, *node.output)} - {"", *ends}
    assert max(map(len, names)) <= 2
    assert len(names) == len({name for node in model.graph.node for name in (*node.input, *node.output)} - {"", *ends})
    assert len(renamed.SerializeToString()) < 0.8 * len(model.SerializeToString())


def test_an_end_with_a_short_name_is_not_given_away_again() -> None:
    nodes = [make_node("Mul", ["a", "factor"], ["inner"]), make_node("Add", ["inner", "a"], ["b"])]
    model = graph_of(nodes, {"a": [1, 2]}, {"factor": noise(2)}, ["b"])
    renamed = with_short_names(model)
    np.testing.assert_array_equal(run_onnx(renamed, noise(1, 2))[0], run_onnx(model, noise(1, 2))[0])


def test_an_input_that_is_left_out_stays_left_out() -> None:
    nodes = [make_node("Clip", ["x", "", "top"], ["out"])]
    renamed = with_short_names(graph_of(nodes, {"x": [1, 2]}, {"top": np.float32(0)}))
    assert list(renamed.graph.node[0].input) == ["x", "", "a"]
    assert (run_onnx(renamed, noise(1, 2))[0] <= 0).all()


def test_the_model_itself_is_left_as_it_was() -> None:
    model = residual([])
    before = model.SerializeToString()
    with_short_names(model)
    assert model.SerializeToString() == before
