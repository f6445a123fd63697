"""The LiteRT 8-bit specification, as properties that hold for all values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgekit.errors import ModelError
from edgekit.scales import (
    BIAS_LIMIT,
    PIXELS,
    Quantization,
    bias_quantization,
    raised_for_bias,
    range_quantization,
    weight_quantization,
)

reals = st.floats(-1e6, 1e6, width=32)
ranges = st.tuples(reals, reals).map(lambda ends: (min(ends), max(ends)))
weights = arrays(np.float32, (3, 4), elements=st.floats(-1e3, 1e3, width=32))
SLACK = 1 + 1e-4
"""For the float32 divisions that the runtimes make, too."""


@given(ranges)
def test_zero_is_stored_exactly(ends: tuple[float, float]) -> None:
    affine = range_quantization(*ends)
    stored = affine.quantize(np.zeros(1))
    assert stored[0] == affine.zero_point
    assert affine.dequantize(stored)[0] == 0


@given(ranges, st.floats(0, 1))
def test_a_value_in_the_range_comes_back_within_half_a_step_and_the_shift_of_the_zero_point(
    ends: tuple[float, float], share: float
) -> None:
    affine = range_quantization(*ends)
    value = np.float32(np.clip(ends[0] + share * (ends[1] - ends[0]), affine.low, affine.high))
    assert abs(affine.dequantize(affine.quantize(value)) - value) <= affine.scale / 2 * SLACK


@given(ranges)
def test_the_stored_range_covers_the_asked_one_up_to_half_a_step(ends: tuple[float, float]) -> None:
    affine = range_quantization(*ends)
    assert affine.low <= min(ends[0], 0) + affine.scale / 2 * SLACK
    assert affine.high >= max(ends[1], 0) - affine.scale / 2 * SLACK


@given(ranges, reals)
def test_values_outside_the_range_saturate(ends: tuple[float, float], value: float) -> None:
    affine = range_quantization(*ends)
    stored = int(affine.quantize(np.float32(value)))
    assert stored == -128 or value > affine.low - affine.scale
    assert stored == 127 or value < affine.high + affine.scale


@given(ranges, reals, reals)
def test_order_is_kept(ends: tuple[float, float], one: float, other: float) -> None:
    affine = range_quantization(*ends)
    low, high = affine.quantize(np.array(sorted((one, other))))
    assert low <= high


@given(ranges)
def test_every_stored_value_survives_a_round_trip(ends: tuple[float, float]) -> None:
    affine = range_quantization(*ends)
    stored = np.arange(-128, 128).astype(np.int8)
    np.testing.assert_array_equal(affine.quantize(affine.dequantize(stored)), stored)


@given(ranges)
def test_scales_are_float32_as_files_store_them(ends: tuple[float, float]) -> None:
    scale = range_quantization(*ends).scale
    assert float(np.float32(scale)) == scale > 0


def test_a_raw_pixel_is_stored_as_its_byte_less_128() -> None:
    pixels = np.arange(256)
    stored = PIXELS.quantize(pixels.astype(np.float32) / np.float32(255))
    np.testing.assert_array_equal(stored, pixels - 128)
    assert range_quantization(0, 1) == PIXELS


@given(weights, st.sampled_from([None, 0, 1]))
def test_weights_are_symmetric_and_come_back_within_half_a_step(values: np.ndarray, axis: int | None) -> None:
    own = weight_quantization(values, axis)
    assert len(own.scales) == (1 if axis is None else values.shape[axis])
    assert not any(own.zero_points)
    stored = own.quantize(values, 127)
    assert stored.min() >= -127
    error = np.abs(own.dequantize(stored) - values)
    scales = np.asarray(own.scales)
    along = scales if axis is None else np.expand_dims(scales, 1 - axis)
    assert (error <= along / 2 * SLACK).all()
    np.testing.assert_array_equal(own.quantize(-values, 127), -stored)


@given(weights)
def test_the_largest_weight_of_each_channel_uses_all_of_int8(values: np.ndarray) -> None:
    values[:, 0] += np.sign(values[:, 0] + 0.5) * 1e3
    stored = weight_quantization(values, 0).quantize(values)
    np.testing.assert_array_equal(np.abs(stored.astype(int)).max(axis=1), 127)


@given(weights, arrays(np.float32, 3, elements=reals), st.floats(1e-6, 10))
def test_a_bias_always_fits_into_int32_and_comes_back_within_half_a_step(
    values: np.ndarray, bias: np.ndarray, input_scale: float
) -> None:
    source = Quantization.per_tensor(input_scale)
    own = bias_quantization(raised_for_bias(weight_quantization(values, 0), bias, source), source)
    stored, scales = own.quantize(bias), np.asarray(own.scales)
    assert stored.dtype == np.int32
    assert np.abs(stored.astype(np.int64)).max() <= BIAS_LIMIT * SLACK
    assert (np.abs(stored * scales - bias) <= scales / 2 * SLACK).all()


def test_a_dead_channel_takes_no_scale_that_a_runtime_cannot_multiply_by() -> None:
    values = np.array([[1.0, -0.5], [1e-30, 0.0], [0.0, 0.0]], np.float32)
    scales = weight_quantization(values, 0).scales
    assert min(scales) >= max(scales) * 2**-16


@pytest.mark.parametrize("ends", [(0.0, float("nan")), (float("-inf"), 0.0), (1.0, -1.0)])
def test_a_range_that_is_none_is_refused(ends: tuple[float, float]) -> None:
    with pytest.raises(ModelError, match="cannot be quantized"):
        range_quantization(*ends)


def test_weights_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(ModelError, match="not finite"):
        weight_quantization(np.array([[np.nan]], np.float32), 0)


@pytest.mark.parametrize(("scale", "zero_point"), [(0.0, 0), (-1.0, 0), (float("inf"), 0), (1.0, 128)])
def test_an_impossible_scale_or_zero_point_is_refused(scale: float, zero_point: int) -> None:
    with pytest.raises(ModelError):
        Quantization.per_tensor(scale, zero_point)


@pytest.mark.parametrize(("scales", "zeros"), [((1.0, 2.0), (0,)), ((), ()), ((1.0, float("nan")), (0, 0))])
def test_scales_and_zero_points_that_do_not_belong_together_are_refused(scales: tuple, zeros: tuple) -> None:
    with pytest.raises(ModelError):
        Quantization(scales, zeros, 0)


@given(st.floats(2**-20, 2**20, width=32), st.integers(-128, 127), reals)
def test_uint8_stores_what_int8_does_shifted_by_128(scale: float, zero_point: int, value: float) -> None:
    signed = Quantization.per_tensor(scale, zero_point)
    unsigned = Quantization.per_tensor(scale, zero_point + 128, "uint8")
    assert int(unsigned.quantize(np.float32(value))) == int(signed.quantize(np.float32(value))) + 128


@given(weights, st.floats(2**-10, 2**10, width=32))
def test_another_unit_of_the_real_values_leaves_the_stored_ones(values: np.ndarray, factor: float) -> None:
    own = weight_quantization(values, 0)
    stored = own.quantize(values)
    again = own.scaled(factor).dequantize(stored)
    np.testing.assert_allclose(again, own.dequantize(stored) * np.float32(factor), rtol=1e-6)
