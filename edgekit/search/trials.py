"""What a study's trials say: each is one rung of a candidate, and that of a later rung says which one it continues."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from edgekit.search.costs import Costs, State
from edgekit.search.shrunk import SHRUNK

WORKER, ENDS, KEY, STATE, CONTINUES = "worker", "ends", "key", "state", "continues"
"""Attributes of a trial."""
OF_NETWORK = ("network", "costs", KEY, ENDS, SHRUNK)
"""Those that a candidate has at all of its rungs."""


@dataclass(frozen=True)
class Found:
    """A trial: its network, what it costs, what it knows after each rung, and why it was not trained (to an end).

    ``accuracies`` and ``losses``, cross-entropies, are on the validation images. Losses decide: where the accuracies
    of so few images are the same but for chance, they tell candidates apart.
    """

    number: int
    network: str
    values: Mapping[str, Any]
    costs: Costs
    accuracies: tuple[float, ...]
    losses: tuple[float, ...]
    state: State
    why: str = ""

    @property
    def accuracy(self) -> float:
        """After its last rung."""
        return self.accuracies[-1]

    @property
    def loss(self) -> float:
        """After its last rung."""
        return self.losses[-1]


def latest(trials: Sequence[FrozenTrial]) -> list[Found]:
    """All candidates that were begun, by their latest rungs, in order."""
    begun = [one for one in trials if one.state != TrialState.WAITING]
    hidden = {
        one.number if one.user_attrs.get(STATE) == State.KNOWN else one.user_attrs[CONTINUES]
        for one in begun
        if CONTINUES in one.user_attrs and one.user_attrs.get(STATE) != State.FAILED
    }
    return [_found(trial) for trial in begun if trial.number not in hidden]


def place(trials: Sequence[FrozenTrial], trial: FrozenTrial) -> int:
    """How many candidates were begun before that of a trial."""
    return sum(CONTINUES not in one.user_attrs for one in trials[: trial.number])


def ranked(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Different networks that have learned, the best first; not the teacher with channels taken out."""
    continued = {one.user_attrs.get(CONTINUES) for one in trials}
    taught = [one for one in trials if ENDS in one.user_attrs and not one.user_attrs.get(SHRUNK)]
    own = [one for one in taught if one.user_attrs.get(STATE) != State.KNOWN and one.number not in continued]
    return sorted(own, key=lambda one: (-len(one.user_attrs[ENDS]), one.user_attrs[ENDS][-1][0], one.number))


def _found(trial: FrozenTrial) -> Found:
    own = trial.user_attrs
    state = State.RUNNING if trial.state == TrialState.RUNNING else State(own[STATE])
    costs, ends = Costs(**own.get("costs", {})), own.get(ENDS, ())
    accuracies, losses = tuple(accuracy for _, accuracy in ends), tuple(loss for loss, _ in ends)
    values = {**trial.params, SHRUNK: own.get(SHRUNK, False)}
    return Found(trial.number, own.get("network", ""), values, costs, accuracies, losses, state, own.get("why", ""))
