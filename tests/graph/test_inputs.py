"""Sizes that a file leaves open are the user's to give."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import helper
from small_graphs import graph_of

from edgekit.errors import ModelError, UnknownNameError
from edgekit.graph.isolated import open_prepared
from edgekit.graph.prepare import prepare

node = helper.make_node


def open_image() -> onnx.ModelProto:
    return graph_of([node("Relu", ["images"], ["out"])], {"images": ("N", 3, "H", "W")})


def shape_of(value: onnx.ValueInfoProto) -> list[int]:
    return [dim.dim_value for dim in value.type.tensor_type.shape.dim]


def test_given_sizes_are_the_models_from_then_on() -> None:
    prepared = prepare(open_image(), {"images": (1, 3, 8, 10)})
    assert shape_of(prepared.graph.input[0]) == shape_of(prepared.graph.output[0]) == [1, 3, 8, 10]


def test_the_worker_takes_them_too(tmp_path: Path) -> None:
    path = tmp_path / "open.onnx"
    onnx.save(open_image(), path)
    assert shape_of(open_prepared(path, shapes={"images": (2, 3, 4, 4)}).graph.input[0]) == [2, 3, 4, 4]
    with pytest.raises(UnknownNameError, match="No input of the model is called 'image'; did you mean 'images'"):
        open_prepared(path, shapes={"image": (1, 3, 4, 4)})


def test_a_symbol_means_the_same_size_wherever_it_stands() -> None:
    model = graph_of([node("Add", ["x", "y"], ["out"])], {"x": (1, "C"), "y": (1, "C")})
    assert shape_of(prepare(model, {"y": (1, 7)}).graph.input[0]) == [1, 7]


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ((1, 4, 8, 8), "is Nx3xHxW, which the given shape 1x4x8x8 does not fit"),
        ((1, 3, 8), "is Nx3xHxW, which the given shape 1x3x8 does not fit"),
        ((1, 3, 0, 8), "The shape 1x3x0x8 for input 'images' has a size below 1"),
    ],
)
def test_sizes_that_cannot_be_are_refused(shape: tuple[int, ...], reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        prepare(open_image(), {"images": shape})


def test_an_input_without_any_shape_needs_one() -> None:
    model = open_image()
    model.graph.input[0].type.tensor_type.ClearField("shape")
    del model.graph.value_info[:]
    with pytest.raises(ModelError, match="says nothing of its shape; give it with --shape images="):
        prepare(model)
    assert shape_of(prepare(model, {"images": (1, 3, 4, 4)}).graph.output[0]) == [1, 3, 4, 4]
