"""Mixed precision: the fewest operators left in float that pass the gate."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from onnx import ModelProto, helper, numpy_helper
from random_images import CONTRACT, random_inputs, random_split
from residual_graphs import minmax_plan, residual, scores
from small_graphs import graph_of, noise, run_onnx, run_tflite

from edgekit.artifact import Metadata
from edgekit.conversion.compact import compact
from edgekit.conversion.tflite import lower
from edgekit.data.intake import Pictures
from edgekit.graph.draft import Draft
from edgekit.graph.messages import constants_of
from edgekit.graph.prepare import prepare
from edgekit.operators.weight_scheme import WeightScheme
from edgekit.quantization.judge import Judge
from edgekit.quantization.plan import Plan
from edgekit.quantization.qdq import insert_qdq
from edgekit.quantization.rungs.mixed_precision import (
    MOST_FLOAT,
    fewest_floats,
    sensitivities,
    with_stored_weights,
)
from edgekit.quantization.rungs.reconstruct import correct_biases
from edgekit.quantization.weighted_layers import weighted_layers, with_float_layers, with_own_constants
from edgekit.scales import range_quantization
from edgekit.tasks.quality import Quality

TAKEN = Pictures(CONTRACT)
INPUTS = random_inputs(8)
MODEL = residual(["residual", "join", "conv_relu", "depthwise", "residual"], spread=0.5)
PLAN = minmax_plan(MODEL, INPUTS)


class Strict(Judge):
    """Counts noise as points, so that a gate can be set as finely as a test needs."""

    def judge(self, model: ModelProto, plan: Plan, intake: object) -> Quality:
        found = super().judge(model, plan, TAKEN)
        return replace(found, drop=-found.sqnr_db)


def floats(gate_db: float, plan: Plan = PLAN) -> frozenset[str]:
    judge = Strict(MODEL, TAKEN, random_split(8), np.arange(8))
    return fewest_floats(MODEL, MODEL, plan, TAKEN, judge, -gate_db)


def noisy(name: str) -> Plan:
    """One tensor has a range much wider than its values."""
    wide = range_quantization(PLAN.affines[name].low * 60, PLAN.affines[name].high * 60)
    return Plan({**PLAN.affines, name: wide})


def middle() -> str:
    add = next(node for node in MODEL.graph.node if node.op_type == "Add")
    return str(next(node for node in MODEL.graph.node if add.output[0] in node.input).output[0])


def test_the_tensor_that_was_made_bad_is_the_most_sensitive() -> None:
    measured = sensitivities(MODEL, noisy(middle()).affines, INPUTS)
    assert set(measured) == set(PLAN.affines)
    assert min(measured, key=lambda name: measured[name]) == middle()


def test_rounding_raw_pixels_does_no_harm() -> None:
    """Bytes are stored exactly, so the input's rounding does nothing but what float32 does."""
    assert sensitivities(MODEL, {"image": PLAN.affines["image"]}, INPUTS)["image"] > 100


def test_a_looser_gate_leaves_fewer_operators_in_float() -> None:
    judged = Strict(MODEL, TAKEN, random_split(8), np.arange(8)).judge(MODEL, noisy(middle()), TAKEN).sqnr_db
    counts = [len(floats(gate, noisy(middle()))) for gate in (judged + 3, judged + 200)]
    assert 1 <= counts[0] < counts[1]


def test_what_is_left_in_float_stands_around_the_bad_tensor() -> None:
    plan = noisy(middle())
    judge = Strict(MODEL, TAKEN, random_split(8), np.arange(8))
    before = judge.judge(MODEL, plan, TAKEN).sqnr_db
    found = fewest_floats(MODEL, MODEL, plan, TAKEN, judge, -(before + 6))
    assert middle() in found
    assert judge.judge(MODEL, plan.with_floats(found), TAKEN).sqnr_db >= before + 6


def test_a_layer_left_in_float_has_its_own_weights_and_bias_back() -> None:
    model = with_own_constants(MODEL)
    plan = minmax_plan(model, INPUTS, scheme=WeightScheme(weight_bits=4))
    corrected = correct_biases(model, plan, INPUTS)
    layers = weighted_layers(model)
    mixed = weighted_layers(with_float_layers(corrected, model, {layers[1].name}))
    for position, (before, layer, after) in enumerate(zip(layers, weighted_layers(corrected), mixed, strict=True)):
        assert not np.array_equal(before.bias, layer.bias)
        np.testing.assert_array_equal(after.bias, before.bias if position == 1 else layer.bias)


def test_a_gate_that_nothing_passes_ends_at_a_share_of_the_operators() -> None:
    assert len(floats(500)) <= max(math.ceil(MOST_FLOAT * len(MODEL.graph.node)), 4)


def test_stored_weights_leave_the_mean_of_the_float_network_where_it_was() -> None:
    model = with_own_constants(residual(["conv_relu"]))
    coarse = minmax_plan(model, INPUTS, scheme=WeightScheme(weight_bits=4))
    stored, plan = with_stored_weights(model, coarse, INPUTS), minmax_plan(model, INPUTS)
    for before, after in zip(weighted_layers(model), weighted_layers(stored), strict=True):
        np.testing.assert_array_equal(after.weights, plan.weights_of(before.node, constants_of(model)).real)
    draft = Draft.from_model(model)
    draft.constants.update({layer.weight_name: layer.weights for layer in weighted_layers(stored)})
    rounded = draft.to_model()
    errors = [
        np.abs(scores(one, INPUTS).mean(axis=0) - scores(model, INPUTS).mean(axis=0)) for one in (stored, rounded)
    ]
    assert errors[0].mean() < 0.5 * errors[1].mean()


def test_operators_in_float_have_their_weights_in_8_bits_in_both_files() -> None:
    """The answers stay those of the plain QDQ form, of which float weights are."""
    constants = {"w": noise(24, 3, 3, 3), "b": noise(24), "v": noise(16, 24, 3, 3), "c": noise(16)}
    nodes = [
        helper.make_node("Conv", ["image", "w", "b"], ["first"]),
        helper.make_node("Relu", ["first"], ["read"]),
        helper.make_node("Conv", ["read", "v", "c"], ["out"]),
    ]
    model = prepare(graph_of(nodes, {"image": [1, 3, 8, 8]}, constants))
    plan = minmax_plan(model, INPUTS)
    layers = weighted_layers(model)
    model, plan = with_stored_weights(model, plan, INPUTS), plan.with_floats({layers[1].name})
    written = insert_qdq(model, plan, "float32", "uint8")
    small, (image,) = compact(written), next(iter(INPUTS))
    np.testing.assert_allclose(run_onnx(small, image)[0], run_onnx(written, image)[0], rtol=1e-5, atol=1e-5)
    kept = [numpy_helper.to_array(item) for item in small.graph.initializer]
    assert sum(value.size for value in kept if value.dtype == np.int8) >= sum(layer.weights.size for layer in layers)
    data = lower(insert_qdq(model, plan, "float32"), Metadata())
    step = plan.affines[layers[1].name].scale
    np.testing.assert_allclose(run_tflite(data, image)[0], run_onnx(written, image)[0], atol=1.01 * step)
    assert len(data) < 1.3 * len(lower(insert_qdq(model, replace(plan, floats=frozenset()), "float32"), Metadata()))
