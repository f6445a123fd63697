"""Ways of resizing that TFLite lacks are products, with the values of ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest
from lowered import assert_float_agrees, assert_integers_agree, operators_of
from onnx import helper
from small_graphs import graph_of, noise

node = helper.make_node
MODES = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"]


@pytest.mark.parametrize("way", MODES)
@pytest.mark.parametrize("sizes", [(10, 12), (3, 4), (5, 9)])
def test_cubic_by_sizes(way: str, sizes: tuple[int, int]) -> None:
    resize = node("Resize", ["x", "", "", "s"], ["out"], mode="cubic", coordinate_transformation_mode=way)
    model = graph_of([resize], {"x": (1, 2, 5, 6)}, {"s": np.asarray([1, 2, *sizes], np.int64)})
    data = assert_float_agrees(model, noise(1, 2, 5, 6))
    assert "FULLY_CONNECTED" in operators_of(data)


@pytest.mark.parametrize("options", [{"cubic_coeff_a": -0.5}, {"exclude_outside": 1}])
def test_cubic_by_scales_in_float_and_integers(options: dict[str, float]) -> None:
    resize = node("Resize", ["x", "", "s"], ["out"], mode="cubic", **options)
    model = graph_of([resize], {"x": (1, 2, 5, 6)}, {"s": np.float32([1, 1, 2, 1.7])})
    assert_float_agrees(model, noise(1, 2, 5, 6))
    assert_integers_agree(model)


@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_smaller_with_antialias(mode: str) -> None:
    resize = node("Resize", ["x", "", "", "s"], ["out"], mode=mode, antialias=1)
    model = graph_of([resize], {"x": (1, 2, 9, 8)}, {"s": np.asarray([1, 2, 4, 3], np.int64)}, opset=18)
    assert_float_agrees(model, noise(1, 2, 9, 8))
