"""Biases, rounding and ranges fitted to what the float network computes, layer after layer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto, numpy_helper
from onnx.helper import make_node
from random_images import random_inputs
from residual_graphs import BLOCKS, minmax_plan, residual, scores
from small_graphs import graph_of, noise

from edgekit.graph.prepare import prepare
from edgekit.operators.weight_scheme import WeightScheme
from edgekit.quantization.calibrate import open_session
from edgekit.quantization.plan import Plan
from edgekit.quantization.qdq import insert_qdq
from edgekit.quantization.rungs.reconstruct import SWEEPS, Spread, _descend, correct_biases, reconstruct
from edgekit.quantization.tensor_groups import tie_groups
from edgekit.quantization.weighted_layers import weighted_layers, with_own_constants

INPUTS = random_inputs(12)


def one_layer(inputs: int = 12) -> ModelProto:
    """What the second convolution reads is much alike in all channels, so its errors of rounding add up or cancel."""
    weights = np.abs(noise(6, inputs, 1, 1)) + 0.5
    nodes = [
        make_node("Conv", ["image", "v", "c"], ["wide"]),
        make_node("Relu", ["wide"], ["read"]),
        make_node("Conv", ["read", "w", "b"], ["out"]),
    ]
    constants = {"v": np.abs(noise(inputs, 3, 1, 1)), "c": np.zeros(inputs, np.float32), "w": weights, "b": noise(6)}
    return prepare(graph_of(nodes, {"image": [1, 3, 8, 8]}, constants))


def error(model: ModelProto, changed: ModelProto, plan: Plan) -> float:
    """Mean squared difference of the file's scores, read as written, from the float model's."""
    expected = scores(model, INPUTS)
    opened = open_session(insert_qdq(changed, plan, "float32"), optimize=False)
    found = np.stack([opened.run(None, {"image": image})[0].reshape(-1) for (image,) in INPUTS])
    return float(np.square(found - expected).mean())


def channel_means(model: ModelProto) -> np.ndarray:
    opened = open_session(model, optimize=False)
    return np.mean([opened.run(None, {"image": image})[0].mean(axis=(0, 2, 3)) for (image,) in INPUTS], axis=0)


@pytest.mark.parametrize("bits", [4, 8])
def test_corrected_biases_make_the_mean_of_each_channel_the_float_ones(bits: int) -> None:
    model = with_own_constants(one_layer())
    plan = minmax_plan(model, INPUTS, scheme=WeightScheme(weight_bits=bits))
    corrected = correct_biases(model, plan, INPUTS)
    expected = channel_means(model)
    before = np.abs(channel_means(insert_qdq(model, plan, "float32")) - expected)
    after = np.abs(channel_means(insert_qdq(corrected, plan, "float32")) - expected)
    assert after.mean() < before.mean()
    assert after.max() < 0.51 * plan.affines["out"].scale


def test_only_biases_are_changed_by_their_correction() -> None:
    model = with_own_constants(residual(["residual"]))
    corrected = correct_biases(model, minmax_plan(model, INPUTS), INPUTS)
    assert corrected.graph.node == model.graph.node
    biases = {layer.bias_name for layer in weighted_layers(model)}
    for before, after in zip(model.graph.initializer, corrected.graph.initializer, strict=True):
        same = np.array_equal(numpy_helper.to_array(before), numpy_helper.to_array(after))
        assert same == (before.name not in biases)


def test_a_bias_before_a_normalization_is_not_corrected_by_what_that_makes_of_it() -> None:
    """It makes a small change of a small value large, and changes other channels too."""
    nodes = [
        make_node("Flatten", ["image"], ["flat"]),
        make_node("Gemm", ["flat", "v", "c"], ["small"]),
        make_node("LayerNormalization", ["small", "scale", "shift"], ["normal"]),
        make_node("Gemm", ["normal", "w", "b"], ["out"]),
    ]
    constants = {"v": 1e-3 * noise(192, 16), "c": 1e-3 * noise(16), "scale": np.ones(16, np.float32)}
    constants |= {"shift": np.zeros(16, np.float32), "w": noise(16, 5, seed=1), "b": noise(5)}
    model = with_own_constants(prepare(graph_of(nodes, {"image": [1, 3, 8, 8]}, constants, opset=20)))
    plan = minmax_plan(model, INPUTS)
    assert error(model, correct_biases(model, plan, INPUTS), plan) < 1.1 * error(model, model, plan)


@settings(max_examples=8)
@given(st.integers(0, 10_000), st.sampled_from([2, 3, 4]), st.sampled_from([1, 3]))
def test_learned_rounding_leaves_no_more_error_at_a_layers_output_than_the_nearest(
    seed: int, bits: int, groups: int
) -> None:
    """Up to the damping, which guards against chance in the images that were seen."""
    constants = {"w": noise(6, 3 // groups, 3, 3, seed=seed), "b": noise(6, seed=seed + 1)}
    nodes = [make_node("Conv", ["image", "w", "b"], ["out"], group=groups)]
    model = prepare(graph_of(nodes, {"image": [1, 3, 8, 8]}, constants))
    plan = minmax_plan(model, INPUTS, scheme=WeightScheme(weight_bits=bits))
    nearest = correct_biases(model, plan, INPUTS)
    learned, decided = reconstruct(model, plan, INPUTS, ())
    assert decided.affines == plan.affines
    assert error(model, learned, decided) <= 1.03 * error(model, nearest, plan)


def test_rounding_errors_that_add_up_are_made_to_cancel() -> None:
    model = one_layer()
    plan = minmax_plan(model, INPUTS, scheme=WeightScheme(weight_bits=3))
    fitted = reconstruct(model, plan, INPUTS, ())
    assert error(model, *fitted) < 0.85 * error(model, correct_biases(model, plan, INPUTS), plan)


def test_each_weight_is_still_on_the_grid() -> None:
    model = with_own_constants(residual(["depthwise", "conv_relu"]))
    plan = minmax_plan(model, INPUTS, scheme=WeightScheme(weight_bits=4))
    decided = reconstruct(model, plan, INPUTS, tie_groups(model, INPUTS.intake))[1]
    layers = weighted_layers(model)
    assert set(decided.weights) == {layer.name for layer in layers}
    for layer in layers:
        weights = decided.weights[layer.name]
        assert weights.stored.shape == layer.weights.shape
        assert np.abs(weights.stored.astype(int)).max() <= 7


@pytest.mark.parametrize("block", BLOCKS)
def test_networks_come_closer_to_the_float_ones(block: str) -> None:
    """Each layer is fitted on its own, so that holds on average."""
    gains = []
    for seed in range(3):
        model = with_own_constants(residual([block], seed, spread=1))
        plan = minmax_plan(model, INPUTS, scheme=WeightScheme(weight_bits=4))
        fitted = reconstruct(model, plan, INPUTS, tie_groups(model, INPUTS.intake))
        gains.append(10 * np.log10(error(model, model, plan) / error(model, *fitted)))
    assert np.mean(gains) > 1


def test_ranges_that_are_fixed_stay() -> None:
    model = with_own_constants(residual(["gate"]))
    groups = tie_groups(model, INPUTS.intake)
    plan = minmax_plan(model, INPUTS)
    decided = reconstruct(model, plan, INPUTS, groups)[1]
    fixed = [name for group in groups if group.fixed is not None for name in group.tensors]
    assert len(fixed) >= 2
    assert all(decided.affines[name] == plan.affines[name] for name in fixed)
    assert decided.affines != plan.affines


def test_operators_in_float_are_let_be() -> None:
    model = with_own_constants(residual(["conv_relu"]))
    layers = weighted_layers(model)
    plan = minmax_plan(model, INPUTS).with_floats([layers[0].name])
    assert set(reconstruct(model, plan, INPUTS, ())[1].weights) == {layer.name for layer in layers[1:]}


def test_a_layer_that_reads_rows_is_fitted_too() -> None:
    nodes = [
        make_node("Conv", ["image", "w"], ["a"]),
        make_node("Reshape", ["a", "shape"], ["flat"]),
        make_node("Transpose", ["flat"], ["rows"], perm=[1, 0]),
        make_node("Gemm", ["rows", "v"], ["out"]),
    ]
    constants = {"w": noise(4, 3, 1, 1), "shape": np.asarray([4, 64], np.int64), "v": noise(4, 5)}
    model = with_own_constants(prepare(graph_of(nodes, {"image": [1, 3, 8, 8]}, constants)))
    plan = minmax_plan(model, INPUTS, scheme=WeightScheme(weight_bits=4))
    fitted = reconstruct(model, plan, INPUTS, tie_groups(model, INPUTS.intake))
    assert error(model, *fitted) < error(model, model, plan)


def one_by_one(stored: np.ndarray, rows: np.ndarray, steps: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Coordinate descent as it is defined: each weight to the integer that leaves the least ``e C eᵀ``."""
    stored = stored.copy()
    for _ in range(SWEEPS):
        for column in range(stored.shape[1]):
            slope = (rows - steps * stored) @ covariance[:, column]
            moved = np.rint(stored[:, column] + slope / (covariance[column, column] * steps[:, 0]))
            stored[:, column] = np.clip(moved, -127, 127)
    return stored


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 99), st.sampled_from([7, 128, 300]))
def test_rounding_in_blocks_and_from_samples_is_that_of_one_weight_after_the_other(seed: int, inputs: int) -> None:
    generator = np.random.default_rng(seed)
    deviations = generator.standard_normal((40, inputs)) @ generator.standard_normal((inputs, inputs)) / inputs**0.5
    deviations = (deviations / 40**0.5).astype(np.float32)
    covariance, damping = deviations.astype(np.float64).T @ deviations, 0.1
    rows, steps = generator.standard_normal((5, inputs)), np.full((5, 1), 0.1)
    nearest = np.rint(rows / steps)
    damped = covariance + (damping * np.trace(covariance) / inputs + 1e-12) * np.eye(inputs)
    expected = one_by_one(nearest, rows, steps, damped)
    for spread in (Spread.of_covariance(covariance, damping), Spread.of_samples(deviations, damping)):
        found = nearest.copy()
        _descend(found, rows, steps, spread, 127)
        assert np.mean(found != expected) < 0.01
    before, after = (float(np.trace(e @ damped @ e.T)) for e in (rows - steps * nearest, rows - steps * expected))
    assert after < before


def test_a_layer_with_more_inputs_than_samples_is_fitted_from_the_samples() -> None:
    weights = {"w": noise(8, 16 * 64), "b": noise(8), "v": noise(16, 3, 1, 1)}
    nodes = [
        make_node("Conv", ["image", "v"], ["maps"]),
        make_node("Flatten", ["maps"], ["row"]),
        make_node("Gemm", ["row", "w", "b"], ["out"], transB=1),
    ]
    model = with_own_constants(prepare(graph_of(nodes, {"image": [1, 3, 8, 8]}, weights)))
    plan = minmax_plan(model, INPUTS, scheme=WeightScheme(weight_bits=4))
    assert error(model, *reconstruct(model, plan, INPUTS, ())) < error(model, model, plan) / 2


def test_a_covariance_that_rounding_has_made_indefinite_is_damped_until_it_is_one() -> None:
    spread = Spread.of_covariance(np.array([[1.0, 1.001], [1.001, 1.0]]), 1e-6)
    np.testing.assert_allclose(spread.deviations.T @ spread.deviations, [[1, 1], [1, 1]], atol=0.02)
