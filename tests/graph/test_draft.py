"""A graph under work: who computes and who reads a value is known after every edit."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto
from small_graphs import graph_of, noise, run_onnx

from edgekit.graph.draft import Draft
from edgekit.graph.messages import constants_of, make_node, makers_of, readers_of, sizes_of


@pytest.fixture
def model() -> ModelProto:
    nodes = [
        make_node("Add", ["x", "k"], ["a"]),
        make_node("Relu", ["a"], ["b"]),
        make_node("Mul", ["a", "b"], ["out"]),
    ]
    return graph_of(nodes, {"x": (2, 3)}, {"k": noise(3)})


def test_a_draft_that_nobody_edits_is_the_model_again(model: ModelProto) -> None:
    again = Draft.from_model(model).to_model()
    assert again.graph.node == model.graph.node
    assert again.graph.value_info == model.graph.value_info
    assert sizes_of(again.graph) == {"x": (2, 3), "a": (2, 3), "b": (2, 3), "out": (2, 3)}
    np.testing.assert_array_equal(constants_of(again)["k"], noise(3))


def test_all_that_read_a_value_and_the_result_itself_can_take_another(model: ModelProto) -> None:
    draft = Draft.from_model(model)
    draft.redirect("a", "c")
    draft.add(make_node("Neg", ["a"], ["c"]))
    draft.redirect("out", "c")
    assert [node.op_type for node in draft.consumers("c")] == ["Relu", "Mul"]
    assert draft.is_output("c")
    assert not draft.is_output("out")
    assert [node.op_type for node in draft.nodes] == ["Add", "Neg", "Relu", "Mul"]


def test_what_is_gone_is_described_no_longer(model: ModelProto) -> None:
    draft = Draft.from_model(model)
    draft.bypass(draft.consumers("a")[0], "a")
    assert [value.name for value in draft.to_model().graph.value_info] == ["a"]


def test_inner_values_can_be_watched(model: ModelProto) -> None:
    draft = Draft.from_model(model)
    draft.watch(["b", "a"])
    x = noise(2, 3, seed=1)
    b, a = run_onnx(draft.to_model(), x)
    np.testing.assert_allclose(a, x + noise(3))
    np.testing.assert_array_equal(b, np.maximum(a, 0))


def test_an_input_may_be_added_at_the_end(model: ModelProto) -> None:
    draft = Draft.from_model(model)
    relu = draft.consumers("b")[0]
    draft.set_input(relu, 2, "k")
    assert list(relu.input) == ["a", "b", "k"]
    assert relu in draft.consumers("k")


def test_makers_and_readers_of_a_list_of_nodes(model: ModelProto) -> None:
    nodes = list(model.graph.node)
    assert makers_of(nodes)["b"] is nodes[1]
    readers = readers_of([*nodes, make_node("Add", ["a", "a"], ["twice"])])
    assert [node.op_type for node in readers["a"]] == ["Relu", "Mul", "Add"]
    assert "out" not in readers
