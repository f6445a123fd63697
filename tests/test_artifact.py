from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.artifact import Metadata, TensorSpec
from edgekit.errors import ModelError
from edgekit.inputs.contract import InputContract


@given(st.integers(0, 255))
def test_the_int8_input_of_a_raw_pixel_student_is_byte_minus_128(byte: int) -> None:
    contract = InputContract(1, 1, 1)
    spec = TensorSpec("image", (1, 1, 1, 1), "int8", 1 / 255, -128)
    assert contract.encode(np.full((1, 1, 1, 1), byte, np.uint8), spec, "NHWC").item() == byte - 128


@given(st.floats(1e-6, 1e3), st.integers(-128, 127), st.floats(-1e6, 1e6, width=32))
def test_quantized_values_are_within_half_a_step_or_saturated(scale: float, zero_point: int, real: float) -> None:
    spec = TensorSpec("t", (1,), "int8", scale, zero_point)
    stored = spec.quantize(np.float32([real]))
    assert stored.dtype == np.int8
    if -128 < stored[0] < 127:
        assert abs(spec.dequantize(stored)[0] - real) <= scale * 0.5001 + abs(real) * 1e-5


def test_layout_and_normalisation() -> None:
    contract = InputContract(2, 3, 3, mean=(0.5, 0.5, 0.5), std=(0.5, 0.25, 1.0))
    images = np.arange(18, dtype=np.uint8).reshape(1, 2, 3, 3) * 14
    encoded = contract.encode(images, TensorSpec("image", (1, 3, 2, 3), "float32"), "NCHW")
    assert encoded.shape == (1, 3, 2, 3)
    np.testing.assert_allclose(encoded[0, 1], (images[0, :, :, 1] / 255 - 0.5) / 0.25, rtol=1e-5)


def test_metadata_survives_the_file() -> None:
    metadata = Metadata(
        contract=InputContract(28, 28, 1, mean=(0.1,), domain="digit"),
        labels=("null", "één", "<b>"),
        recipe="static_wi8_ai8",
        quality={"test_accuracy": 0.99},
        parents={"float": "ab"},
        tensors=True,
    )
    assert Metadata.from_json(metadata.to_json(), "file") == metadata
    assert Metadata.from_json(Metadata().to_json(), "file") == Metadata()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[1]",
        "{",
        '{"contract": 3}',
        '{"contract": {"shape": [0, 1, 1]}}',
        '{"contract": {"shape": [Infinity, 1, 1]}}',
        '{"contract": {"shape": [1000000, 1000000, 3]}}',
        '{"contract": {"shape": [2, 2, 3], "mean": [0.5, 0.5]}}',
        '{"contract": {"shape": [2, 2, 3], "std": [NaN]}}',
        '{"contract": {"shape": [2, 2, 3], "domain": "foto"}}',
        '{"quality": {"accuracy": 1%s}}' % ("0" * 400),
        '{"labels": 5}',
        '{"labels": ["\\ud800"]}',
    ],
)
def test_a_broken_description_names_the_file(text: str) -> None:
    with pytest.raises(ModelError, match=r"stranger\.onnx"):
        Metadata.from_json(text, "stranger.onnx")
