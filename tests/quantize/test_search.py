"""The range of each tensor is chosen by what it does to the network's outputs on images held out for that."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto

from edgekit.artifact import InputContract
from edgekit.data.dataset import Dataset
from edgekit.errors import UnknownNameError
from edgekit.graph.load import load_onnx
from edgekit.graph.prepare import prepare
from edgekit.quantize.calibrate import RealInputs
from edgekit.quantize.ranges import METHODS
from edgekit.quantize.scheme import tie_groups
from edgekit.quantize.search import choose_ranges

CONTRACT = InputContract(28, 28, 1, domain="digit")


@pytest.fixture(scope="module")
def model(float_model: Path) -> ModelProto:
    return prepare(load_onnx(float_model))


@pytest.fixture(scope="module")
def inputs(mnist: Dataset) -> RealInputs:
    return RealInputs(mnist.train, np.arange(80), CONTRACT)


def test_the_choice_is_at_least_as_good_as_each_method_alone(model: ModelProto, inputs: RealInputs) -> None:
    choice = choose_ranges(model, tie_groups(model, CONTRACT), inputs)
    assert set(choice.methods.values()) <= set(METHODS)


def test_the_same_images_give_the_same_choice(model: ModelProto, inputs: RealInputs) -> None:
    groups = tie_groups(model, CONTRACT)
    assert choose_ranges(model, groups, inputs) == choose_ranges(model, groups, inputs)


def test_one_method_by_name_needs_no_search(model: ModelProto, inputs: RealInputs) -> None:
    groups = tie_groups(model, CONTRACT)
    choice = choose_ranges(model, groups, inputs, "minmax")
    assert set(choice.methods.values()) == {"minmax"}
    assert set(choice.affines) == {name for group in groups for name in group.tensors}


def test_an_unknown_method_is_answered_with_the_nearest(model: ModelProto, inputs: RealInputs) -> None:
    with pytest.raises(UnknownNameError, match="'percentile'"):
        choose_ranges(model, (), inputs, "percentil")
