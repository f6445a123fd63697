"""What is proposed: the best so far with few arguments changed, each to what is near by."""

from __future__ import annotations

import optuna
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.trial import create_trial

from edgekit.search.proposing import CHANGE, MOST_CHANGES, MOST_STEPS, TURNS, NumberedSampler

AXES = {
    "width": IntDistribution(8, 64, step=4),
    "depth": IntDistribution(1, 9),
    "block": CategoricalDistribution("abc"),
}
BEST = {"width": 8, "depth": 5, "block": "b"}


def proposed(seed: int) -> dict[int, dict[str, object]]:
    """The values of ten trials after one that is known, by their numbers."""
    sampler = NumberedSampler(seed, "guided", lambda trials: trials[:1], lambda trials, trial: trial.number)
    study = optuna.create_study(directions=["minimize"] * 2, sampler=sampler)
    study.add_trial(create_trial(params=BEST, distributions=AXES, values=[0.0, 0.0]))
    asked = [study.ask(AXES) for _ in range(10)]
    return {trial.number: trial.params for trial in asked}


def test_changes_are_few_and_small_and_the_same_seed_makes_the_same() -> None:
    changed = 0
    for seed in range(20):
        values = proposed(seed)
        assert values == proposed(seed)
        for number, found in values.items():
            if TURNS[number % len(TURNS)] != CHANGE:
                continue
            others = [name for name, value in BEST.items() if found[name] != value]
            assert 1 <= len(others) <= MOST_CHANGES
            assert found["width"] in (8, *(8 + 4 * step for step in range(1, MOST_STEPS + 1)))
            assert abs(int(str(found["depth"])) - 5) <= MOST_STEPS
            changed += 1
    assert changed == 20 * 6
