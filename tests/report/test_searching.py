"""The page of a search: a plot that needs no script, and a row for each candidate."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from edgekit.report.searching import render_search
from edgekit.search.costs import Costs
from edgekit.search.records import SearchResult
from edgekit.search.trials import Found

HOSTILE = "<script>alert(1)</script>"


def found(number: int, size: int, latency: float, *accuracies: float, network: str = "net") -> Found:
    losses = tuple(4 * (1 - accuracy) for accuracy in accuracies)
    return Found(number, network, {}, Costs(size, latency), accuracies, losses, "trained")


@pytest.fixture
def result() -> SearchResult:
    front = (found(0, 9000, 2.0, 0.7, 0.9), found(3, 5000, 1.0, 0.6, 0.8, network=HOSTILE))
    too_large = Found(1, "net", {}, Costs(20_000), (), (), "too large", "20,000 B (+100%)")
    candidates = (front[0], too_large, found(2, 9500, 2.0, 0.5), front[1])
    limits = Costs(10_000, 3.0)
    return SearchResult(
        "mnist-tiny", "mnist-cnn", "mnist", "pi", limits, "predicted", (), candidates, front, best=front[0]
    )


def test_every_trained_candidate_is_a_point_by_each_cost_and_leads_to_its_row(result: SearchResult) -> None:
    page = render_search(result)
    for number in (0, 2, 3):
        assert page.count(f'href="#trial-{number}"') == 2
        assert page.count(f'id="trial-{number}"') == 1
    assert "trial-1" not in page
    assert "1 did not fit and were not" in page
    assert len(re.findall(r'class="limit"', page)) == 2


def test_the_best_and_the_front_are_told_apart(result: SearchResult) -> None:
    page = render_search(result)
    kinds = dict(re.findall(r'href="#trial-(\d)" class="point (\w+)"', page))
    assert kinds == {"0": "best", "2": "other", "3": "front"}


def test_the_page_runs_nothing_and_escapes_names(result: SearchResult) -> None:
    page = render_search(result)
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "http" not in page.replace("http-equiv", "")


def test_accuracies_and_costs_that_are_all_alike_have_an_axis(result: SearchResult) -> None:
    one = found(0, 9000, 3.0, 0.9)
    assert "90.00%" in render_search(replace(result, candidates=(one,), front=(one,), best=one))
