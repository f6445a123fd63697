"""Mixed precision: the fewest operators left in float that pass the gate."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from onnx import ModelProto
from random_images import CONTRACT, random_inputs, random_split
from residual_graphs import minmax_plan, residual

from edgekit.data.intake import Pictures
from edgekit.quantization.judge import Judge
from edgekit.quantization.plan import Plan
from edgekit.quantization.rungs.mixed_precision import MOST_FLOAT, fewest_floats, sensitivities
from edgekit.quantization.rungs.reconstruct import correct_biases
from edgekit.quantization.weighted_layers import weighted_layers, with_exact_biases, with_own_constants
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


def test_a_layer_left_in_float_has_its_own_bias_back() -> None:
    model = with_own_constants(MODEL)
    plan = minmax_plan(model, INPUTS, weight_bits=4)
    corrected = correct_biases(model, plan, INPUTS)
    layers = weighted_layers(model)
    mixed = weighted_layers(with_exact_biases(corrected, model, {layers[1].name}))
    for position, (before, layer, after) in enumerate(zip(layers, weighted_layers(corrected), mixed, strict=True)):
        assert not np.array_equal(before.bias, layer.bias)
        np.testing.assert_array_equal(after.bias, before.bias if position == 1 else layer.bias)


def test_a_gate_that_nothing_passes_ends_at_a_share_of_the_operators() -> None:
    assert len(floats(500)) <= max(math.ceil(MOST_FLOAT * len(MODEL.graph.node)), 4)
