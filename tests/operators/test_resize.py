"""Resizing, and what moves values between channels and places, in float and in integers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lowered import assert_float_agrees, assert_integers_agree, node, operators_of
from onnx import ModelProto
from small_graphs import graph_of, noise, run_onnx

from edgekit.errors import UnsupportedError
from edgekit.operators import resize

quick = settings(max_examples=25, deadline=None)
ROUNDINGS = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]


def resized(shape: tuple[int, ...], sizes: tuple[int, ...], **options) -> ModelProto:
    constants = {"sizes": np.asarray((*shape[: len(shape) - len(sizes)], *sizes), np.int64)}
    return graph_of([node("Resize", ["x", "", "", "sizes"], ["out"], **options)], {"x": shape}, constants, opset=19)


def scaled(shape: tuple[int, ...], scales: list[float], **options) -> ModelProto:
    constants = {"scales": np.asarray(scales, np.float32)}
    return graph_of([node("Resize", ["x", "", "scales"], ["out"], **options)], {"x": shape}, constants, opset=19)


sizes = st.tuples(st.integers(2, 9), st.integers(2, 9))


@given(sizes, st.sampled_from(resize.WAYS), st.sampled_from(ROUNDINGS))
@quick
def test_the_nearest_pixel_in_every_way(size: tuple[int, int], way: str, rounding: str) -> None:
    model = resized((1, 2, 4, 5), size, coordinate_transformation_mode=way, nearest_mode=rounding)
    assert_float_agrees(model, noise(1, 2, 4, 5))
    assert_integers_agree(model)


@given(
    st.integers(1, 200), st.integers(1, 200), st.sampled_from(resize.WAYS), st.sampled_from(ROUNDINGS), st.booleans()
)
@settings(max_examples=400, deadline=None)
def test_the_nearest_pixel_is_onnx_runtimes(size: int, steps: int, way: str, rounding: str, by_scale: bool) -> None:
    """A place on the edge between two pixels belongs to the one that float32's rounding gives it to."""
    options = {"coordinate_transformation_mode": way, "nearest_mode": rounding}
    model = scaled((1, size), [1, steps / size], **options) if by_scale else resized((1, size), (steps,), **options)
    (taken,) = run_onnx(model, np.arange(size, dtype=np.float32)[None])
    places = resize.source_places(way, size, taken.size, steps / size)
    assert taken[0].tolist() == resize.nearest_pixels(places, rounding, size).tolist()


@pytest.mark.parametrize(("size", "steps", "way", "rounding"), [
    (24, 32, "asymmetric", "floor"),
    (14, 32, "asymmetric", "floor"),
    (18, 39, "half_pixel", "round_prefer_floor"),
    (20, 6, "half_pixel", "round_prefer_ceil"),
    (9, 39, "half_pixel_symmetric", "floor"),
])  # fmt: skip
def test_the_nearest_pixel_of_a_place_on_an_edge(size: int, steps: int, way: str, rounding: str) -> None:
    options = {"coordinate_transformation_mode": way, "nearest_mode": rounding}
    image = noise(1, 2, size, size)
    assert_float_agrees(resized(image.shape, (steps, steps), **options), image)
    assert_float_agrees(scaled(image.shape, [1, 1, steps / size, steps / size], **options), image)


def test_a_scale_that_adds_no_pixel_still_moves_them() -> None:
    model = scaled((1, 2, 10, 5), [1, 1, 2, 1.1], nearest_mode="floor")
    assert_float_agrees(model, noise(1, 2, 10, 5))


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
def test_an_image_that_keeps_its_size_is_copied_whatever_the_scale(mode: str) -> None:
    model = scaled((1, 2, 5, 5), [1, 1, 1.1, 1.1], mode=mode)
    assert operators_of(assert_float_agrees(model, noise(1, 2, 5, 5))) == ["RESHAPE"]


@given(sizes, st.sampled_from(resize.WAYS))
@quick
def test_linear_between_pixels(size: tuple[int, int], way: str) -> None:
    model = resized((1, 2, 4, 5), size, coordinate_transformation_mode=way, mode="linear")
    assert_float_agrees(model, noise(1, 2, 4, 5))
    assert_integers_agree(model)


@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize("way", ["half_pixel", "asymmetric"])
def test_an_image_of_twice_the_size(mode: str, way: str) -> None:
    rounding = {"nearest_mode": "floor"} if (mode, way) == ("nearest", "asymmetric") else {}
    model = scaled((1, 3, 4, 5), [1, 1, 2, 2], mode=mode, coordinate_transformation_mode=way, **rounding)
    assert "GATHER" not in operators_of(assert_float_agrees(model, noise(1, 3, 4, 5)))
    assert_integers_agree(model)


def test_the_nearest_value_along_a_line() -> None:
    model = resized((1, 4, 6), (9,), mode="nearest")
    assert_float_agrees(model, noise(1, 4, 6))
    assert_integers_agree(model)


def test_what_tflite_cannot_resize_is_refused() -> None:
    model = resized((1, 2, 6, 6), (3, 4), mode="linear", coordinate_transformation_mode="tf_crop_and_resize")
    with pytest.raises(UnsupportedError, match="Resize 'out' has no TFLite form"):
        assert_float_agrees(model, noise(1, 2, 6, 6))


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_channels_become_pixels(mode: str) -> None:
    model = graph_of([node("DepthToSpace", ["x"], ["out"], blocksize=2, mode=mode)], {"x": (1, 12, 3, 4)})
    assert_float_agrees(model, noise(1, 12, 3, 4))
    assert_integers_agree(model)


def test_pixels_become_channels() -> None:
    model = graph_of([node("SpaceToDepth", ["x"], ["out"], blocksize=2)], {"x": (1, 3, 4, 6)})
    assert_float_agrees(model, noise(1, 3, 4, 6))
    assert_integers_agree(model)


@pytest.mark.parametrize("shape", [(1, 3, 4, 5), (1, 7)])
def test_values_are_repeated(shape: tuple[int, ...]) -> None:
    constants = {"n": np.arange(1, len(shape) + 1)}
    assert_float_agrees(graph_of([node("Tile", ["x", "n"], ["out"])], {"x": shape}, constants), noise(*shape))


def test_an_image_of_one_pixel_is_spread() -> None:
    constants = {"s": np.asarray([1, 3, 4, 5])}
    model = graph_of([node("Expand", ["x", "s"], ["out"])], {"x": (1, 3, 1, 1)}, constants)
    assert_float_agrees(model, noise(1, 3, 1, 1))


def test_constants_are_joined_to_an_image() -> None:
    """As the coordinate channels of some detection heads are."""
    model = graph_of([node("Concat", ["x", "c"], ["out"], axis=1)], {"x": (1, 2, 4, 5)}, {"c": noise(1, 3, 4, 5)})
    assert_float_agrees(model, noise(1, 2, 4, 5))
    assert_integers_agree(model)
