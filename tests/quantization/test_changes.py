"""What would help: each change is made around the tensors that hurt, and judged."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto
from random_images import CONTRACT, random_inputs, random_split
from residual_graphs import minmax_plan, residual

from edgekit.data.intake import Pictures
from edgekit.operators.weight_scheme import WeightScheme
from edgekit.quantization.changes import HELPFUL, Change, helpful_changes
from edgekit.quantization.judge import Judge
from edgekit.quantization.ladder import Candidate
from edgekit.quantization.plan import Plan
from edgekit.quantization.sensitivity import layer_table, weights_alone
from edgekit.quantization.tensor_groups import tie_groups
from edgekit.quantization.weighted_layers import weighted_layers, with_own_constants
from edgekit.scales import range_quantization

TAKEN = Pictures(CONTRACT)
INPUTS = random_inputs(8)
MODEL = with_own_constants(residual(["residual", "conv_relu"], spread=0.5))
PLAN = minmax_plan(MODEL, INPUTS)
BAD = next(node.output[0] for node in MODEL.graph.node if node.op_type == "Relu" and node.output[0] in PLAN.affines)


def changes(plan: Plan, model: ModelProto = MODEL) -> tuple[Change, ...]:
    judge = Judge(MODEL, TAKEN, random_split(8), np.arange(8))
    before = Candidate(model, plan, TAKEN, tie_groups(model, TAKEN), model)
    rows = layer_table(model, model, plan, INPUTS)
    return helpful_changes(before, rows, INPUTS, judge, judge.judge(model, plan, TAKEN))


def with_range(factor: float) -> Plan:
    affine = PLAN.affines[BAD]
    return Plan({**PLAN.affines, BAD: range_quantization(factor * affine.low, factor * affine.high)})


@pytest.mark.parametrize("factor", [50.0, 0.1])
def test_a_tensor_whose_range_is_wrong_gets_the_right_one(factor: float) -> None:
    found = changes(with_range(factor))
    assert 1 <= len(found) <= HELPFUL
    assert found[0].tensor == BAD
    assert {"range", "float"} >= {change.kind for change in found if change.tensor == BAD}
    assert "range" in {change.kind for change in found}
    assert found[0].gain_db > 10
    assert [change.gain_db for change in found] == sorted((change.gain_db for change in found), reverse=True)


def test_each_kind_of_change_around_a_tensor_is_told_once() -> None:
    found = changes(with_range(50.0))
    assert len({(change.kind, change.tensor) for change in found}) == len(found)


def test_the_weights_that_are_rounded_coarsely_hurt_alone() -> None:
    layers = [layer.name for layer in weighted_layers(MODEL)]
    fine = weights_alone(MODEL, MODEL, PLAN, INPUTS)
    coarse = weights_alone(MODEL, MODEL, minmax_plan(MODEL, INPUTS, scheme=WeightScheme(weight_bits=3)), INPUTS)
    assert list(fine) == layers
    assert all((coarse[name] or 0.0) < (fine[name] or 200.0) - 15 for name in layers)
