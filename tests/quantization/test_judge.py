"""Candidates are judged by how close their scores stay to the float model's."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto
from random_images import CONTRACT, random_inputs, random_split
from residual_graphs import minmax_plan, residual

from edgekit.data.dataset import Split
from edgekit.data.intake import Pictures
from edgekit.operators.weight_scheme import WeightScheme
from edgekit.quantization.judge import Judge
from edgekit.quantization.plan import Plan
from edgekit.tasks.quality import MOST_DB

MODEL = residual(["residual"])
TAKEN = Pictures(CONTRACT)
PLAN = minmax_plan(MODEL, random_inputs(8))


def judge(split: Split, model: ModelProto = MODEL) -> Judge:
    return Judge(model, TAKEN, split, np.arange(len(split)))


def answers() -> np.ndarray:
    return judge(random_split(16)).scores.argmax(axis=1)


def test_all_in_float_is_judged_as_equal() -> None:
    # Without a stored tensor nothing is rounded, not even the input.
    verdict = judge(random_split(8)).judge(MODEL, Plan({}, floats=everything()), TAKEN)
    assert verdict.sqnr_db >= 100
    assert (verdict.agreement, verdict.drop) == (1.0, 0.0)


def everything() -> frozenset[str]:
    return frozenset(node.output[0] for node in MODEL.graph.node)


def test_a_coarser_grid_is_judged_worse() -> None:
    strict = judge(random_split(8))
    coarse = minmax_plan(MODEL, random_inputs(8), scheme=WeightScheme(weight_bits=3))
    assert strict.judge(MODEL, coarse, TAKEN).sqnr_db < strict.judge(MODEL, PLAN, TAKEN).sqnr_db - 10


def test_images_without_labels_are_judged_by_agreement() -> None:
    coarse = minmax_plan(MODEL, random_inputs(8), scheme=WeightScheme(weight_bits=2))
    verdict = judge(random_split(16)).judge(MODEL, coarse, TAKEN)
    assert verdict.accuracy is None
    assert verdict.agreement < 1
    assert verdict.drop == pytest.approx(100 * (1 - verdict.agreement))


def test_images_with_labels_are_judged_by_accuracy() -> None:
    coarse = minmax_plan(MODEL, random_inputs(8), scheme=WeightScheme(weight_bits=2))
    labelled = Split(random_split(16).images, answers())
    verdict = judge(labelled).judge(MODEL, coarse, TAKEN)
    assert verdict.accuracy == verdict.agreement
    assert verdict.drop == pytest.approx(100 * (1 - verdict.accuracy))
    wrong = Split(random_split(16).images, (answers() + 1) % 5)
    assert judge(wrong).judge(MODEL, coarse, TAKEN).drop <= 0


def test_the_first_images_alone_are_judged_as_if_there_were_no_others() -> None:
    split = Split(random_split(16).images, answers())
    few = judge(split).first(4)
    assert few.judge(MODEL, PLAN, TAKEN) == judge(split.take(np.arange(4))).judge(MODEL, PLAN, TAKEN)


def test_scores_that_are_equal_have_a_finite_ratio() -> None:
    verdict = judge(random_split(4)).judge(MODEL, Plan({}, floats=everything()), TAKEN)
    assert verdict.sqnr_db <= MOST_DB
    assert verdict.accuracy is None
    assert "agreement" in str(verdict)
