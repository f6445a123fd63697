"""What is decided of stored weights, for each operator."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.errors import UsageError
from edgekit.operators.weight_scheme import EIGHT_BITS, WeightScheme


def test_fewer_bits_are_for_operators_whose_weights_files_can_pack() -> None:
    coarse = WeightScheme(weight_bits=4)
    assert [coarse.most(name) for name in ("Conv", "Gemm", "ConvTranspose")] == [7, 7, 127]
    assert [WeightScheme(weight_bits=bits).bytes_each for bits in (2, 4, 5, 8)] == [0.5, 0.5, 1.0, 1.0]


def test_the_scale_follows_the_largest_weight_of_each_output_channel_or_of_all() -> None:
    weights = np.array([1.0, -2.0], np.float32).reshape(2, 1, 1, 1)
    assert EIGHT_BITS.quantization("Conv", weights).scales == pytest.approx((1 / 127, 2 / 127))
    assert WeightScheme(per_tensor=True).quantization("Conv", weights).scales == pytest.approx((2 / 127,))
    assert WeightScheme(weight_bits=3).quantization("Conv", weights).scales == pytest.approx((1 / 3, 2 / 3))
    assert EIGHT_BITS.quantization("Gemm", weights[:, 0, 0]).axis is None


@pytest.mark.parametrize("bits", [1, 9])
def test_bits_have_limits(bits: int) -> None:
    with pytest.raises(UsageError, match="--weight-bits"):
        WeightScheme(weight_bits=bits)
