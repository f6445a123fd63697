"""Which layer hurts: the table finds the tensor that was made bad."""

from __future__ import annotations

import json

import pytest
from onnx.helper import make_node
from random_images import random_inputs
from residual_graphs import minmax_plan, residual
from small_graphs import graph_of

from edgekit.graph.prepare import prepare
from edgekit.operators.weight_scheme import WeightScheme
from edgekit.quantization import sensitivity
from edgekit.quantization.plan import Plan
from edgekit.quantization.rungs.reconstruct import correct_biases
from edgekit.quantization.sensitivity import TensorRow, layer_table
from edgekit.quantization.weighted_layers import with_own_constants
from edgekit.result import plain
from edgekit.scales import range_quantization

INPUTS = random_inputs(8)
MODEL = with_own_constants(residual(["residual", "conv_relu"], spread=0.5))
PLAN = minmax_plan(MODEL, INPUTS)
BAD = next(node.output[0] for node in MODEL.graph.node if node.op_type == "Relu" and node.output[0] in PLAN.affines)


def rows(plan: Plan) -> dict[str, TensorRow]:
    return {row.tensor: row for row in layer_table(MODEL, MODEL, plan, INPUTS)}


def with_bad_range() -> Plan:
    affine = PLAN.affines[BAD]
    return Plan({**PLAN.affines, BAD: range_quantization(50 * affine.low, 50 * affine.high)})


def test_every_stored_tensor_has_a_row() -> None:
    found = rows(PLAN)
    assert list(found) == list(PLAN.affines)
    assert found["image"].operator == "input"
    assert found["scores"].operator == "Gemm"
    for name, row in found.items():
        affine = PLAN.affines[name]
        assert (row.scale, row.zero_point, row.bits) == (affine.scale, affine.zero_point, 8)
    json.dumps(plain(list(found.values())), allow_nan=False)


def test_the_tensor_with_a_range_far_too_wide_hurts_most() -> None:
    found = rows(with_bad_range())
    alone = {name: row.alone_db for name, row in found.items() if row.alone_db is not None}
    assert min(alone, key=lambda name: alone[name]) == BAD
    before = rows(PLAN)[BAD].sqnr_db
    assert before is not None
    assert found[BAD].sqnr_db < before - 20


def test_of_many_tensors_those_of_the_coarsest_steps_are_tried_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sensitivity, "MOST_TENSORS", 2)
    found = rows(with_bad_range())
    tried = [name for name, row in found.items() if row.alone_db is not None]
    assert len(tried) == 2
    assert BAD in tried
    assert f"of {len(found)} tensors the 2 of the coarsest steps" in capsys.readouterr().err


def test_errors_add_up_along_the_network_but_not_alone() -> None:
    found, before = rows(with_bad_range()), rows(PLAN)
    assert found["scores"].sqnr_db < before["scores"].sqnr_db - 3
    assert found["scores"].alone_db == before["scores"].alone_db


def test_coarser_weights_show_in_what_they_make() -> None:
    found = rows(minmax_plan(MODEL, INPUTS, scheme=WeightScheme(weight_bits=3)))
    assert found["scores"].sqnr_db < rows(PLAN)["scores"].sqnr_db - 10


def test_operators_left_in_float_are_marked() -> None:
    found = rows(PLAN.with_floats([BAD]))
    assert [name for name, row in found.items() if row.is_float] == [BAD]


def test_corrected_biases_are_taken_into_account() -> None:
    plan = minmax_plan(MODEL, INPUTS, scheme=WeightScheme(weight_bits=4))
    corrected = correct_biases(MODEL, plan, INPUTS)
    found = {row.tensor: row for row in layer_table(MODEL, corrected, plan, INPUTS)}
    assert found["scores"].sqnr_db > rows(plan)["scores"].sqnr_db


def test_what_is_stored_exactly_has_no_ratio() -> None:
    model = prepare(graph_of([make_node("Relu", ["image"], ["out"])], {"image": [1, 3, 8, 8]}, {}))
    plan = minmax_plan(model, INPUTS)
    image = layer_table(model, model, plan, INPUTS)[0]
    assert image.sqnr_db is None or image.sqnr_db > 100
