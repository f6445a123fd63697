"""The range of each tensor is chosen by what it does where the tensor is read, on images held out for that."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import random_images
from onnx import ModelProto
from onnx.helper import make_node
from residual_graphs import residual
from small_graphs import graph_of

from edgekit.data.dataset import Dataset
from edgekit.data.intake import Pictures
from edgekit.errors import UnknownNameError
from edgekit.graph.load import load_onnx
from edgekit.graph.prepare import prepare
from edgekit.inputs.contract import InputContract
from edgekit.quantization.calibrate import RealInputs
from edgekit.quantization.ranges import METHODS
from edgekit.quantization.rungs.range_search import choose_ranges
from edgekit.quantization.tensor_groups import tie_groups

CONTRACT = InputContract(28, 28, 1, domain="digit")


@pytest.fixture(scope="module")
def model(float_model: Path) -> ModelProto:
    return prepare(load_onnx(float_model))


@pytest.fixture(scope="module")
def inputs(mnist: Dataset) -> RealInputs:
    return RealInputs(mnist.train, np.arange(80), Pictures(CONTRACT))


def test_each_tensor_has_the_method_that_moves_its_readers_least(model: ModelProto, inputs: RealInputs) -> None:
    groups = tie_groups(model, Pictures(CONTRACT))
    choice = choose_ranges(model, groups, inputs)
    free = {group.tensors[0] for group in groups if group.fixed is None}
    assert set(choice.methods) == set(choice.readers_db) == free
    for name, method in choice.methods.items():
        tried = choice.readers_db[name]
        assert set(tried) <= set(METHODS)
        assert tried[method] == max(tried.values())


def test_a_range_that_a_method_would_clip_too_much_is_taken_from_another() -> None:
    """Behind a layer whose rare values are all that matters, no method that gives them up is chosen."""
    weights = {
        "w": np.ones((1, 3, 1, 1), np.float32),
        "top": np.float32([-2.2]),
        "v": np.ones((1, 1, 1, 1), np.float32),
    }
    nodes = [
        make_node("Conv", ["image", "w"], ["sum"]),
        make_node("Conv", ["sum", "v", "top"], ["rest"]),
        make_node("Relu", ["rest"], ["out"]),
    ]
    small = prepare(graph_of(nodes, {"image": [1, 3, 8, 8]}, weights))
    choice = choose_ranges(small, tie_groups(small, Pictures(random_images.CONTRACT)), random_images.random_inputs(16))
    assert choice.affines["sum"].high > 2.2


def test_tensors_that_share_a_scale_are_chosen_together() -> None:
    joined = residual(["join", "pool"])
    groups = tie_groups(joined, Pictures(random_images.CONTRACT))
    choice = choose_ranges(joined, groups, random_images.random_inputs(16))
    assert any(len(group.tensors) > 1 for group in groups)
    for group in groups:
        assert len({choice.affines[name] for name in group.tensors}) == 1


def test_the_same_images_give_the_same_choice(model: ModelProto, inputs: RealInputs) -> None:
    groups = tie_groups(model, Pictures(CONTRACT))
    assert choose_ranges(model, groups, inputs) == choose_ranges(model, groups, inputs)


def test_one_method_by_name_needs_no_search(model: ModelProto, inputs: RealInputs) -> None:
    groups = tie_groups(model, Pictures(CONTRACT))
    choice = choose_ranges(model, groups, inputs, "minmax")
    assert set(choice.methods.values()) == {"minmax"}
    assert set(choice.affines) == {name for group in groups for name in group.tensors}


def test_an_unknown_method_is_answered_with_the_nearest(model: ModelProto, inputs: RealInputs) -> None:
    with pytest.raises(UnknownNameError, match="'percentile'"):
        choose_ranges(model, (), inputs, "percentil")
