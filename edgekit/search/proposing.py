"""What proposes candidates: Optuna's TPE, changes of the best so far, and chance, by turns.

TPE (Bergstra et al. 2011) needs some dozens of candidates before it knows anything, and a search of hours has no more.
The best so far with one to three arguments changed, as in regularized evolution (Real et al. 2019), is close to what is
known to be good from the start.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial

from edgekit.search.records import RANDOM

TPE, CHANGE, CHANCE = "tpe", "change", "chance"
TURNS = (CHANCE, CHANGE, TPE, CHANGE, CHANGE)
"""Who proposes a candidate, by its place among all."""
RANDOM_TRIALS = 20
"""Before TPE learns from them."""
PARENTS = 3
"""How many of the best so far are changed."""
MOST_CHANGES, MOST_STEPS = 3, 2
"""Of a parent's arguments, and of one that is a number."""

Space = dict[str, BaseDistribution]
Ranked = Callable[[Sequence[FrozenTrial]], Sequence[FrozenTrial]]
"""Those of all trials that can be changed, the best first."""
Place = Callable[[Sequence[FrozenTrial], FrozenTrial], int]
"""How many candidates were proposed before that of a trial."""


class NumberedSampler(BaseSampler):
    """Draws a trial's values by the seed, its place, the trials before it and, alone, the parameter's name.

    ``kind`` is ``guided``, or ``random``: by chance alone.
    """

    def __init__(self, seed: int, kind: str, ranked: Ranked, place: Place) -> None:
        self.seed, self.kind, self.ranked, self.place = seed, kind, ranked, place

    def _at(self, study: optuna.Study, trial: FrozenTrial, name: str = "") -> BaseSampler:
        place = self.place(study.get_trials(deepcopy=False), trial)
        seed = zlib.crc32(f"{self.seed} {place} {name}".encode())
        turn = CHANCE if self.kind == RANDOM else TURNS[place % len(TURNS)]
        if turn == TPE:
            return TPESampler(multivariate=True, n_startup_trials=RANDOM_TRIALS, seed=seed)
        return _Change(seed, self.ranked) if turn == CHANGE else RandomSampler(seed=seed)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> Space:
        """What is drawn together."""
        return self._at(study, trial).infer_relative_search_space(study, trial)

    def sample_relative(self, study: optuna.Study, trial: FrozenTrial, search_space: Space) -> dict[str, Any]:
        """All values of a trial."""
        return self._at(study, trial).sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """One value."""
        return self._at(study, trial, param_name).sample_independent(study, trial, param_name, param_distribution)


class _Change(RandomSampler):
    """One of the best with some arguments changed; chance as long as there is none."""

    def __init__(self, seed: int, ranked: Ranked) -> None:
        super().__init__(seed)
        self.rng, self.ranked = np.random.default_rng(seed), ranked

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> Space:
        return dict(next((parent.distributions for parent in self._parents(study)), {}))

    def sample_relative(self, study: optuna.Study, trial: FrozenTrial, search_space: Space) -> dict[str, Any]:
        parents = self._parents(study)
        names = [name for name, values in search_space.items() if not values.single()]
        if not parents or not names:
            return {}
        values = dict(parents[int(self.rng.integers(len(parents)))].params)
        count = min(len(names), 1 + int(self.rng.integers(MOST_CHANGES)))
        for name in self.rng.choice(names, count, replace=False):
            values[name] = self._other(search_space[name], values[name])
        return values

    def _parents(self, study: optuna.Study) -> Sequence[FrozenTrial]:
        return self.ranked(study.get_trials(deepcopy=False))[:PARENTS]

    def _other(self, values: BaseDistribution, own: Any) -> Any:
        """A value near by, or another choice."""
        if isinstance(values, IntDistribution):
            reach = range(1, 1 + MOST_STEPS)
            near = [own + sign * step * values.step for sign in (-1, 1) for step in reach]
            others = [value for value in near if values.low <= value <= values.high]
        else:
            assert isinstance(values, CategoricalDistribution)
            others = [value for value in values.choices if value != own]
        return others[self.rng.integers(len(others))]
