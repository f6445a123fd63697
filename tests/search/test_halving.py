"""Who goes on: the best third by several goals, and trainings that are whole schedules."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from edgekit.recipe import TrainRecipe
from edgekit.search.halving import SHARE, best_third, fronts, rungs_of

GOALS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=12)


def dominates(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    no_worse = all(a <= b for a, b in zip(one, other, strict=True))
    return no_worse and one != other


@given(GOALS)
def test_the_first_front_is_what_none_dominates(points: list[tuple[int, ...]]) -> None:
    first = [not any(dominates(other, point) for other in points) for point in points]
    assert [front == 0 for front in fronts(points)] == first


@given(GOALS)
def test_what_is_dominated_stands_behind(points: list[tuple[int, ...]]) -> None:
    found = fronts(points)
    for one, front in zip(points, found, strict=True):
        for other, behind in zip(points, found, strict=True):
            assert not dominates(one, other) or front < behind


def test_the_best_third_is_rounded_up() -> None:
    assert best_third([]) == []
    assert best_third([(0.1, 100)]) == [0]
    assert best_third([(loss, 100) for loss in (4, 2, 1, 3)]) == [2, 1]


def test_of_those_that_none_dominates_the_least_losses_go_first() -> None:
    assert best_third([(6, 40), (1, 90), (2, 80), (0.5, 95), (2, 95), (2, 80)]) == [3, 1]


def test_rungs_grow_threefold_and_are_never_longer_than_the_recipe() -> None:
    recipe = TrainRecipe(epochs=72, batch_size=128, warmup_epochs=4.0)
    assert [one.epochs for one in rungs_of(recipe, 45_000)] == [1, SHARE, SHARE**2, SHARE**3]
    assert [one.epochs for one in rungs_of(recipe, 9_000)] == [5, 15, 45]
    assert [one.epochs for one in rungs_of(TrainRecipe(epochs=2), 640)] == [2]
    assert rungs_of(recipe, 45_000)[0].warmup_epochs == pytest.approx(0.1)
