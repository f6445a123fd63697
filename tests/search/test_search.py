"""The verb: from a family and a budget to an int8 student, or to budgets where none is given."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from edgekit.catalog import SEARCH
from edgekit.errors import UnknownNameError, UsageError
from edgekit.operators.weight_scheme import WeightScheme
from edgekit.search.records import SearchOptions
from edgekit.search.search import search
from edgekit.search.setting import Setting
from edgekit.training.recipe_options import DistillRecipeOptions


def test_the_best_becomes_a_student_of_the_size_that_was_foretold(options: SearchOptions, tmp_path: Path) -> None:
    result = search(replace(options, trials=1))
    assert result.best is not None
    assert result.quantized is not None
    size = (tmp_path / "model.int8.tflite").stat().st_size
    assert 0.95 * result.best.costs.bytes < size <= result.best.costs.bytes <= 5000
    record = json.loads((tmp_path / SEARCH).read_text())
    assert record["best"]["network"] == result.best.network
    assert "1 candidate trained" in str(result)


def test_with_one_scale_a_layer_candidates_are_weighed_and_written_so(options: SearchOptions, tmp_path: Path) -> None:
    result = search(replace(options, trials=1, weights=WeightScheme(per_tensor=True)))
    assert result.best is not None
    assert result.quantized is not None
    size = (tmp_path / "model.int8.tflite").stat().st_size
    assert 0.95 * result.best.costs.bytes < size <= result.best.costs.bytes
    wide = {"width": 9, "kernel": 5, "health": "well"}
    ways = (WeightScheme(), WeightScheme(per_tensor=True), WeightScheme(per_tensor=True, weight_bits=4))
    channels, whole, narrow = (Setting.of(replace(options, weights=way)).scales.weigh(wide).costs for way in ways)
    assert narrow.bytes < whole.bytes
    assert whole.bytes < channels.bytes


def test_without_a_budget_three_are_proposed_and_nothing_is_made(tmp_path: Path) -> None:
    result = search(SearchOptions(device="raspberry-pi-4b", out=tmp_path / "new"))
    small, medium, large = result.proposals
    assert small.costs.bytes < medium.costs.bytes < large.costs.bytes
    assert small.costs.latency_ms <= medium.costs.latency_ms <= large.costs.latency_ms
    assert f"--max-size {small.costs.bytes:.0f} --device raspberry-pi-4b --max-latency" in small.options
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"data": "my-pixels.npz"}, UsageError, "name one with --student, as cifar-s"),
        ({"data": "clothes"}, UsageError, "name one with --student, as photo-s"),
        ({"student": "mnist-tinny"}, UnknownNameError, "did you mean 'mnist-tiny'"),
        ({"student": "resnet8", "data": "mnist"}, UsageError, "no space to search; those that have one: .*cifar-s"),
        ({"student": "cifar-s"}, UsageError, "name a source with --data"),
        ({"sampler": "rand"}, UnknownNameError, "did you mean 'random'"),
        ({"max_size": "big"}, UsageError, "--max-size takes a number of bytes"),
    ],
)
def test_what_cannot_be_searched_is_refused(given: dict[str, str], error: type[UsageError], message: str) -> None:
    with pytest.raises(error, match=message):
        search(SearchOptions(**given))


def test_a_budget_that_nothing_meets_is_told_the_smallest_before_a_teacher_is_opened(options: SearchOptions) -> None:
    asked = replace(options, teacher=("no-such-teacher",), max_size=1000)
    with pytest.raises(UsageError, match=r"meets the budget: the smallest, for 10 classes, has [12],\d\d\d B"):
        search(asked)


def test_of_a_family_of_the_catalog_it_is_told_before_data_are_opened(tmp_path: Path) -> None:
    options = SearchOptions("mnist-tiny", data=str(tmp_path / "nothing.npz"), max_size=1000, out=tmp_path / "out")
    with pytest.raises(UsageError, match=r"meets the budget: the smallest, for 2 classes, has \d,\d\d\d B"):
        search(options)
    assert not (tmp_path / "out").exists()


def test_a_loss_of_features_is_refused(options: SearchOptions) -> None:
    recipe = replace(options.recipe, loss="0.5*kd + 0.5*hint")
    with pytest.raises(UsageError, match="leave the loss hint out"):
        search(replace(options, recipe=recipe))


def test_a_student_of_text_is_found_too(tmp_path: Path) -> None:
    texts, labels = ["a fine film", "a dull film"] * 40, [1, 0] * 40

    class Silent(nn.Module):
        def forward(self, ids: Tensor) -> Tensor:
            return torch.zeros(len(ids), 2)

    recipe = DistillRecipeOptions(epochs=1, batch_size=16)
    given = {"data": {"train": (texts, labels), "test": (texts, labels)}, "recipe": recipe, "out": tmp_path}
    result = search(SearchOptions("text-bag", (Silent(),), trials=1, max_size=60_000, **given))
    assert result.best is not None
    assert (tmp_path / "model.int8.tflite").stat().st_size <= result.best.costs.bytes <= 60_000
