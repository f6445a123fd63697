"""What of a model's answers becomes its golden example: which input, which values, and how far a device may be off."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from edgekit.artifact import Array
from edgekit.inputs.golden import EIGHT_BITS, MOST_VALUES, Golden, can_make, make_inputs

Run = Callable[[Sequence[Array]], Sequence[Array]]
"""One inference: arrays of the inputs to arrays of the outputs."""

SEEDS = 4
"""So many inputs are tried; kept is the one whose answer has the most different values."""
ROUNDING = 3
"""A device may be off by so many times what kernels that round differently are off by here, and by so many steps."""
FLOAT_SHARE = 0.01
"""Of what float values span: the order of sums differs."""
DIGITS = 5
"""Of a float value that is kept."""


def example(inputs: Sequence[Any], run: Run, other: Run) -> Golden | None:
    """The golden example of a model that ``run`` runs, and ``other`` with kernels that round differently.

    None if its inputs cannot be made, or its answers tell nothing.
    """
    if not can_make(inputs):
        return None
    made = [make_inputs(inputs, seed) for seed in range(SEEDS)]
    answers, others = (np.stack([call(tensors)[0].reshape(-1) for tensors in made]) for call in (run, other))
    if not (answers.size and np.isfinite(answers).all() and np.isfinite(others).all()):
        return None
    is_whole = answers.dtype.kind in "iu"
    spans = [_span(flat, is_whole) for flat in answers]
    apart = float(np.abs(answers.astype(np.float64) - others).max())
    limit = ROUNDING * max(apart, 1) if is_whole else max(FLOAT_SHARE * max(spans), ROUNDING * apart)
    telling = [seed for seed in range(SEEDS) if spans[seed] > 2 * limit]
    best = max(telling, key=lambda seed: (len(np.unique(answers[seed])), -seed), default=None)
    return None if best is None else _kept(answers[best], best, limit, int if is_whole else _short)


def _kept(flat: Array, seed: int, limit: float, number: Callable[[float], float]) -> Golden:
    """All of an output, or its largest values."""
    places = np.argsort(-flat.astype(np.float64), kind="stable")[:MOST_VALUES].tolist()
    places = places if flat.size > MOST_VALUES else []
    kept = flat[places] if places else flat
    return Golden(seed, tuple(map(number, kept)), number(limit), tuple(places))


def _span(flat: Array, is_whole: bool) -> float:
    """How far values may be apart: as far as they are, or one value from its type's ends or from zero."""
    if flat.size > 1:
        return float(np.ptp(flat.astype(np.float64)))
    return float(EIGHT_BITS) if is_whole else abs(float(flat[0]))


def _short(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
