"""The ladder climbs rung by rung until the gate is met, and keeps the best."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto
from onnx.helper import make_node
from random_images import CHANNELS, CONTRACT, SIZE, random_inputs, random_split
from residual_graphs import BLOCKS, residual, scores
from small_graphs import graph_of

from edgekit.data.intake import Intake, Pictures
from edgekit.errors import UsageError
from edgekit.graph.prepare import prepare
from edgekit.inputs.contract import InputContract
from edgekit.operators.weight_scheme import WeightScheme
from edgekit.quantization.judge import Judge
from edgekit.quantization.ladder import Candidate, Ladder, RungRecord
from edgekit.quantization.options import QuantizeOptions
from edgekit.quantization.plan import Plan
from edgekit.quantization.ranges import METHODS
from edgekit.tasks.quality import Quality

IMAGES = 12
NORMALIZED = InputContract(SIZE, SIZE, CHANNELS, mean=(0.48, 0.3, 0.1), std=(0.23, 0.5, 0.9))


class Demanding(Judge):
    """Counts each decibel below 200 as a point, so that no rung meets a gate of a few points."""

    def judge(self, model: ModelProto, plan: Plan, intake: Intake) -> Quality:
        found = super().judge(model, plan, intake)
        return replace(found, drop=200 - found.sqnr_db)


def climb(
    model: ModelProto, contract: InputContract = CONTRACT, **options: object
) -> tuple[Candidate, tuple[RungRecord, ...]]:
    judge = Judge(model, Pictures(contract), random_split(IMAGES), np.arange(IMAGES))
    return Ladder(random_inputs(IMAGES, contract), judge, QuantizeOptions(**options)).climb(model, Pictures(contract))


def kept(records: tuple[RungRecord, ...]) -> RungRecord:
    (found,) = [record for record in records if record.kept]
    return found


@settings(max_examples=4)
@given(st.lists(st.sampled_from(BLOCKS), min_size=1, max_size=2), st.integers(0, 100))
def test_the_best_rung_is_kept_and_computes_in_integers_throughout(blocks: list[str], seed: int) -> None:
    model = residual(blocks, seed)
    best, records = climb(model)
    assert [record.rung for record in records] == [1, 2, 3]
    assert kept(records).verdict.sqnr_db == max(record.verdict.sqnr_db for record in records)
    assert not best.plan.floats
    expected = scores(model, random_inputs(4))
    np.testing.assert_allclose(scores(best.exact, random_inputs(4)), expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("block", ["residual", "join", "pool"])
def test_the_range_method_that_ends_closest_to_the_float_model_is_taken(block: str) -> None:
    model = residual([block])
    (chosen,) = climb(model, rungs=1)[1]
    tried = {method: climb(model, rungs=1, ranges=method)[1][0] for method in METHODS}
    assert all(record.detail.startswith(method) for method, record in tried.items())
    assert chosen.verdict.sqnr_db == max(record.verdict.sqnr_db for record in tried.values())


def test_rare_values_are_kept_where_they_are_all_that_matters() -> None:
    weights = {
        "w": np.ones((1, 3, 1, 1), np.float32),
        "top": np.float32([-2.2]),
        "v": np.ones((1, 1, 1, 1), np.float32),
    }
    nodes = [
        make_node("Conv", ["image", "w"], ["sum"]),
        make_node("Conv", ["sum", "v", "top"], ["rest"]),
        make_node("Relu", ["rest"], ["out"]),
    ]
    model = prepare(graph_of(nodes, {"image": [1, 3, 8, 8]}, weights))
    assert climb(model, rungs=1)[0].plan.affines["sum"].high > 2.2


def test_tensors_that_share_a_scale_have_one_range() -> None:
    best, _ = climb(residual(["join", "pool"]), rungs=1)
    assert any(len(group.tensors) > 1 for group in best.groups)
    for group in best.groups:
        assert len({best.plan.affines[name] for name in group.tensors}) == 1


def test_channels_of_different_ranges_are_worth_a_second_rung() -> None:
    _, (first, second, _) = climb(residual(["residual"], spread=2.5))
    assert "channels equalized" in second.detail
    assert second.verdict.sqnr_db > first.verdict.sqnr_db + 3


def test_of_small_images_all_that_judge_decide_within_a_rung() -> None:
    counts = set()

    class Counting(Judge):
        def judge(self, model: ModelProto, plan: Plan, intake: Intake) -> Quality:
            counts.add(len(self.indices))
            return super().judge(model, plan, intake)

    model = residual(["residual"])
    judge = Counting(model, Pictures(CONTRACT), random_split(40), np.arange(40))
    Ladder(random_inputs(IMAGES), judge, QuantizeOptions(rungs=2)).climb(model, Pictures(CONTRACT))
    assert counts == {40}


def test_a_gate_that_is_met_stops_the_ladder_early() -> None:
    _, records = climb(residual(["residual"]), max_drop=100.0)
    assert [(record.rung, record.kept) for record in records] == [(1, True)]


@pytest.mark.parametrize(("last", "rungs"), [(2, [1, 2]), (9, [1, 2, 3])])
def test_what_meets_the_gate_on_few_images_alone_does_not_end_the_ladder(last: int, rungs: list[int]) -> None:
    model = residual(["residual"])
    judge = Judge(model, Pictures(CONTRACT), random_split(IMAGES), np.arange(IMAGES))
    asked: list[Candidate] = []

    def passes(found: Candidate) -> bool:
        asked.append(found)
        return len(asked) == last

    ladder = Ladder(random_inputs(IMAGES), judge, QuantizeOptions(rungs=3, max_drop=100.0), passes=passes)
    best, records = ladder.climb(model, Pictures(CONTRACT))
    assert [record.rung for record in records] == rungs
    assert kept(records).rung == rungs[-1]
    assert best is asked[-1]


def test_without_a_gate_nothing_is_left_in_float_and_nothing_trained() -> None:
    assert [record.name for record in climb(residual([]))[1]] == ["ranges", "equalization", "rounding"]


def test_no_rung_above_the_highest_is_tried() -> None:
    model = residual(["residual"], spread=2.5)
    judge = Demanding(model, Pictures(CONTRACT), random_split(IMAGES), np.arange(IMAGES))
    _, records = Ladder(random_inputs(IMAGES), judge, QuantizeOptions(rungs=2, max_drop=1.0)).climb(
        model, Pictures(CONTRACT)
    )
    assert [record.rung for record in records] == [1, 2]


def test_coarse_weights_stay_coarse_on_every_rung() -> None:
    best, _ = climb(residual(["conv_relu"]), weights=WeightScheme(per_tensor=True, weight_bits=4))
    assert best.plan.scheme == WeightScheme(per_tensor=True, weight_bits=4)
    assert all(np.abs(weights.stored.astype(int)).max() <= 7 for weights in best.plan.weights.values())
    assert all(weights.quantization.axis is None for weights in best.plan.weights.values())


def test_the_fourth_rung_leaves_operators_in_float_for_the_gate() -> None:
    model = residual(["residual", "conv_relu", "residual"], spread=2.5)
    judge = Demanding(model, Pictures(CONTRACT), random_split(IMAGES), np.arange(IMAGES))
    ladder = Ladder(random_inputs(IMAGES), judge, QuantizeOptions(rungs=4, max_drop=1.0))
    _, records = ladder.climb(model, Pictures(CONTRACT))
    assert [record.rung for record in records] == [1, 2, 3, 4]
    floats = ladder.candidates[-1].plan.floats
    assert f"{len(floats)} of {len(model.graph.node)} operators in float" in records[-1].detail
    assert 0 < len(floats) < len(model.graph.node) / 2


def test_a_normalization_goes_into_the_first_layer_if_it_may() -> None:
    model = residual(["conv_relu"])
    best, records = climb(model, NORMALIZED, rungs=1)
    assert set(best.intake.contract.std) == {1.0}
    assert "raw pixels go in" in records[0].detail
    best, records = climb(model, NORMALIZED, rungs=1, io="float32")
    assert best.intake.contract == NORMALIZED


def test_a_record_is_plain() -> None:
    record = climb(residual([]), rungs=1)[1][0].to_dict()
    assert record["verdict"]["accuracy"] is None
    assert {"rung", "name", "seconds", "verdict", "detail", "kept"} == set(record)


@pytest.mark.parametrize("highest", [0, 6])
def test_there_are_five_rungs(highest: int) -> None:
    with pytest.raises(UsageError, match=r"--rungs . is not allowed; give a number from 1 to 5"):
        QuantizeOptions(rungs=highest)
