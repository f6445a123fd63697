"""Small weights, float computation: what is stored, how far answers move, and the same values in ONNX and TFLite."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper
from small_graphs import OPTIMIZED, REFERENCE, XNNPACK, graph_of, noise, quantized, run_onnx, run_tflite

from edgekit.artifact import Metadata
from edgekit.conversion.tflite import lower
from edgekit.conversion.weights_only import (
    FLOAT16,
    INT8,
    SMALLEST,
    channel_quantization,
    on_grid,
    stored_weights,
    with_small_weights,
)
from edgekit.errors import ModelError
from edgekit.graph.prepare import prepare
from edgekit.modelfiles.contents import read_contents
from edgekit.modelfiles.delegation import undelegated
from edgekit.modelfiles.sandboxed import OpenFile

node = helper.make_node
IMAGE = (1, 3, 12, 12)


@pytest.fixture(scope="module")
def network() -> onnx.ModelProto:
    """A plain, a depthwise and a pointwise convolution, and a layer of ten classes."""
    constants = {
        "w": noise(16, 3, 5, 5),
        "b": noise(16),
        "d": noise(16, 1, 5, 5),
        "p": noise(32, 16, 1, 1) * np.exp2(np.arange(32, dtype=np.float32) - 16).reshape(-1, 1, 1, 1),
        "m": noise(32, 10),
    }
    nodes = [
        node("Conv", ["image", "w", "b"], ["a"], strides=[2, 2]),
        node("Relu", ["a"], ["r"]),
        node("Conv", ["r", "d"], ["e"], group=16, pads=[2, 2, 2, 2]),
        node("Conv", ["e", "p"], ["f"]),
        node("GlobalAveragePool", ["f"], ["g"]),
        node("Flatten", ["g"], ["h"]),
        node("MatMul", ["h", "m"], ["scores"]),
    ]
    return prepare(graph_of(nodes, {"image": IMAGE}, constants, outputs=["scores"]))


def constants_of(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}


def test_weights_become_int8_with_a_scale_for_each_output_channel(network: onnx.ModelProto) -> None:
    packed = constants_of(with_small_weights(network, INT8))
    stored = {name: value for name, value in packed.items() if value.dtype == np.int8 and value.ndim > 1}
    assert sorted(value.shape for value in stored.values()) == [(10, 32), (16, 1, 5, 5), (16, 3, 5, 5), (32, 16, 1, 1)]
    for value in stored.values():
        largest = np.abs(value.astype(int)).reshape(len(value), -1).max(axis=1)
        assert (largest == 127).all()
    assert packed["b"].dtype == np.float32


@pytest.mark.parametrize(("stored", "tolerance"), [(INT8, 0.02), (FLOAT16, 1e-3)])
def test_answers_stay_close_to_the_float_models(network: onnx.ModelProto, stored: str, tolerance: float) -> None:
    image = noise(*IMAGE)
    (expected,) = run_onnx(network, image)
    (got,) = run_onnx(with_small_weights(network, stored), image)
    np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance * np.abs(expected).max())
    assert (got != expected).any()


@pytest.mark.parametrize("stored", [INT8, FLOAT16])
@pytest.mark.parametrize("kernels", [XNNPACK, OPTIMIZED, REFERENCE])
def test_onnx_and_tflite_give_the_same_answers(network: onnx.ModelProto, stored: str, kernels) -> None:
    image, model = noise(*IMAGE, seed=3), with_small_weights(network, stored)
    (expected,) = run_onnx(model, image)
    (got,) = run_tflite(lower(model, Metadata()), image, kernels=kernels)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_files_shrink_and_say_what_they_are(network: onnx.ModelProto, tmp_path: Path) -> None:
    sizes = {}
    for name, model in {
        "float32": network,
        "int8": with_small_weights(network, INT8),
        "float16": with_small_weights(network, FLOAT16),
    }.items():
        for suffix, data in {"onnx": model.SerializeToString(), "tflite": lower(model, Metadata())}.items():
            path = tmp_path / f"{name}.{suffix}"
            path.write_bytes(data)
            contents = read_contents(path)
            assert contents.scheme.startswith(f"{name} weights; computes in float32 (")
            sizes[name, suffix] = contents.weight_bytes
            if suffix == "tflite":
                assert undelegated(path) == ()
    for suffix in ("onnx", "tflite"):
        assert sizes["int8", suffix] < 0.45 * sizes["float32", suffix]
        assert sizes["float16", suffix] < 0.65 * sizes["float32", suffix]


def test_the_float_model_comes_back_to_within_half_a_step(network: onnx.ModelProto) -> None:
    kind, model = stored_weights(with_small_weights(network, INT8))
    assert kind == "int8"
    assert [item.op_type for item in model.graph.node] == [item.op_type for item in network.graph.node]
    before, after = constants_of(network), constants_of(model)
    assert before.keys() == after.keys()
    for name, value in before.items():
        step = np.abs(value).max() / 127
        assert np.abs(after[name] - value).max() <= step / 2 * (1 + 1e-5)


def test_a_float_or_statically_quantized_model_is_left_as_it_is(network: onnx.ModelProto) -> None:
    for model in (network, quantized(network)):
        kind, same = stored_weights(model)
        assert kind == "float32"
        assert same is model


def test_small_constants_and_those_beyond_half_precision_stay_float() -> None:
    huge = noise(16, 32)
    huge[0, 0] = 1e5
    constants = {"small": noise(8, 16), "huge": huge}
    nodes = [node("MatMul", ["x", "small"], ["a"]), node("MatMul", ["a", "huge"], ["out"])]
    model = prepare(graph_of(nodes, {"x": (1, 8)}, constants))
    assert {value.dtype.name for value in constants_of(with_small_weights(model, FLOAT16)).values()} == {"float32"}
    assert 8 * 16 < SMALLEST <= 16 * 32
    assert (
        sum(
            value.dtype == np.int8 and value.ndim == 2
            for value in constants_of(with_small_weights(model, INT8)).values()
        )
        == 1
    )


def test_transposed_convolutions_have_their_channels_elsewhere() -> None:
    model = prepare(
        graph_of([node("ConvTranspose", ["x", "w"], ["out"])], {"x": (1, 8, 4, 4)}, {"w": noise(8, 6, 3, 3)})
    )
    packed = with_small_weights(model, INT8)
    assert any(value.shape == (6,) and value.dtype == np.float32 for value in constants_of(packed).values())
    image = noise(1, 8, 4, 4)
    np.testing.assert_allclose(run_onnx(packed, image)[0], run_onnx(model, image)[0], atol=0.3)


def test_weights_that_are_no_numbers_are_refused() -> None:
    weights = noise(32, 32)
    weights[3, 3] = np.nan
    with pytest.raises(ModelError, match="not finite"):
        channel_quantization(weights, 0)


def test_tflite_micro_refuses_what_it_would_compute_wrongly(network: onnx.ModelProto) -> None:
    with pytest.raises(ModelError, match="one scale per channel"):
        OpenFile(lower(with_small_weights(network, INT8), Metadata()), "tflm")


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 1), st.integers(0, 10))
def test_each_stored_weight_is_the_nearest(rows: int, columns: int, axis: int, seed: int) -> None:
    weights = noise(rows, columns, seed=seed)
    weights[:1] *= 0
    own = channel_quantization(weights, axis)
    error = np.abs(own.dequantize(own.quantize(weights, 127)) - weights)
    assert error.max(initial=0) <= max(own.scales) / 2 * (1 + 1e-5)


@given(st.integers(0, 10_000), st.integers(1, 127), st.sampled_from([0, 1]))
def test_weights_of_a_grid_are_found_again_as_its_integers(seed: int, most: int, axis: int) -> None:
    """Whatever the steps of each channel are, and although rounding may have left none at 127 of them."""
    generator = np.random.default_rng(seed)
    steps = np.exp(generator.normal(size=(16, 1))).astype(np.float32)
    weights = np.moveaxis(steps * generator.integers(-most, most + 1, (16, 24)).astype(np.float32), 0, axis)
    found = on_grid(weights, axis)
    assert found is not None
    np.testing.assert_allclose(found[1].dequantize(found[0]), weights, rtol=1e-5)
    assert np.abs(found[0].astype(int)).max(initial=0) <= 127


def test_weights_of_no_grid_are_left_as_they_are() -> None:
    assert on_grid(noise(16, 24), 0) is None
    assert on_grid(np.round(noise(4, 4)), 0) is None  # and small ones
