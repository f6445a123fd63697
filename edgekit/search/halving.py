"""Successive halving with several goals: how long a candidate is trained, and which go on.

Of the candidates that have come to the end of a rung the best third go on, to three times as many epochs. Which are
best is told by non-dominated sorting, as in MO-ASHA (Schmucker et al. 2021, after Li et al. 2020): what is at least as
good as another in everything and better in something stands before it, and among those that have no one before them the
one of least loss stands first. Nothing waits for a rung to be full: whenever a candidate is among the best third of
those that are there, it goes on before a new one is begun.

A rung is a whole schedule, warm-up and cosine, from the weights that the last one ended with (Loshchilov and Hutter
2017), so what is compared has ended its training, and what goes on has lost nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edgekit.recipe import TrainRecipe

SHARE = 3
RUNGS = 4
STEPS = 333
"""Of the first rung, at least: after so many candidates stand in nearly the order that they have after thrice as many,
with a rank correlation of 0.89 in two spaces (``benchmarks/search/scores.py``)."""
WARMUP = 0.1
"""Share of a rung, at least."""

Goals = Sequence[float]
"""The loss, and what else is to be small."""


def rungs_of(recipe: TrainRecipe, images: int) -> tuple[TrainRecipe, ...]:
    """The recipe of each rung, of a recipe and so many training images; together they are no longer than it."""
    first = -(-STEPS // max(1, images // recipe.batch_size))
    found: list[TrainRecipe] = []
    left = recipe.epochs
    for epochs in (first * SHARE**rung for rung in range(RUNGS)):
        if found and epochs > left:
            break
        epochs = min(epochs, left)
        left -= epochs
        warmup = max(WARMUP, recipe.warmup_epochs / recipe.epochs)
        found.append(replace(recipe, epochs=epochs, warmup_epochs=warmup * epochs, keep="last"))
    return tuple(found)


def best_third(points: Sequence[Goals]) -> list[int]:
    """The indices of the best third of some, rounded up; the best first, and of equals that which came first."""
    before = fronts(points)
    ranked = sorted(range(len(points)), key=lambda index: (before[index], points[index][0], index))
    return ranked[: -(-len(points) // SHARE)]


def fronts(points: Sequence[Goals]) -> list[int]:
    """The number of the front in which each of some goals lies, 0 for those that none dominates."""
    costs = np.array(points)
    found = np.full(len(points), -1)
    number = 0
    while (left := np.flatnonzero(found < 0)).size:
        part = costs[left]
        no_worse = (part[:, None] <= part[None]).all(2)
        better = (part[:, None] < part[None]).any(2)
        found[left[~(no_worse & better).any(0)]] = number
        number += 1
    return [int(front) for front in found]
