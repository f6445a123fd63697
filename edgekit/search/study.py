"""The study: candidates proposed, weighed, taught and remembered, in one SQLite file that a kill leaves whole.

What is random of a trial depends on the seed and its number alone, and a trial that a kill has cut off is gone on with
before the next is begun. So with one worker a study that was killed ends as one that was not.
"""

from __future__ import annotations

import itertools
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import optuna
from optuna.distributions import IntDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from edgekit.console import say
from edgekit.errors import EdgekitError, ModelError, RuntimeCrashError, TrainingError, UsageError
from edgekit.recipe import TrainRecipe
from edgekit.runtimes.refusal import first_line
from edgekit.search.costs import UNFIT, Costs, State, describe
from edgekit.search.halving import fronts, goes_on, rungs_of
from edgekit.search.proposing import NumberedSampler
from edgekit.search.shrunk import SHRUNK
from edgekit.search.space import Axis
from edgekit.search.weighing import Scales, Weighed
from edgekit.training.checkpoint import CHECKPOINT
from edgekit.training.weights import load_weights, save_weights

STUDY_FILE, NAME = "study.db", "edgekit"
IDENTITY, BEST, WORKER, ENDS, KEY = "identity", "best", "worker", "ends", "key"
STATE = "state"
"""Attributes of the study, and of its trials."""
TRIALS = "trials"
"""The folder of what is being trained."""
MISSES = 300
"""After so many candidates in a row that do not fit, fail or are known already, there is hardly a new one."""
OF_INTEREST = 0.8
"""A cost below this share of its limit counts as this share: who allows 100 KB does not look for the best of 10.
What is below it in every cost is not trained where something larger fits."""
PATIENCE_S = 60
"""For another worker that writes."""


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


class Study:
    """Candidates of a family under limits; ``identity`` names what else decides how good they are.

    Raises:
        UsageError: the study in the folder is another one, or no study.
    """

    def __init__(
        self,
        scales: Scales,
        recipe: TrainRecipe,
        folder: Path,
        identity: Mapping[str, Any],
        sampler: str = "guided",
    ) -> None:
        self.scales, self.recipe, self.folder = scales, recipe, folder
        self.family, self.school, self.gauge = scales.family, scales.school, scales.gauge
        self._asking = Lock()
        path = folder / STUDY_FILE
        folder.mkdir(parents=True, exist_ok=True)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        try:
            storage = optuna.storages.RDBStorage(f"sqlite:///{path}", {"connect_args": {"timeout": PATIENCE_S}})
            names = optuna.get_all_study_names(storage)
            if names and names != [NAME]:
                raise ValueError(f"it holds {', '.join(names)}")
            self.study = optuna.create_study(
                storage=storage,
                study_name=NAME,
                directions=[StudyDirection.MINIMIZE] * (1 + len(self.gauge.names)),
                sampler=NumberedSampler(self.school.seed, sampler, _ranked),
                load_if_exists=True,
            )
        except Exception as exc:  # a file that is no database makes the layers below raise what they like
            reason = first_line(exc)
            if "locked" in reason:
                raise UsageError(f"Another search writes {path}; wait for its end, or choose another --out.") from exc
            raise UsageError(f"{path} is no study of 'edgekit search' ({reason}); choose another --out.") from exc
        self._require_same(path, json.loads(json.dumps(identity)))
        if not self.study.trials:
            for values in self.family.first():
                known = {axis.name: values[axis.name] for axis in self.family.space.axes}
                self.study.enqueue_trial(known, user_attrs={SHRUNK: SHRUNK in values})

    def _require_same(self, path: Path, identity: dict[str, Any]) -> None:
        known = self.study.user_attrs.get(IDENTITY, identity)
        for key, value in identity.items():
            if known.get(key) != value:
                raise UsageError(f"{path} is a study with another {key}; choose another --out, or the same {key}.")
        self.study.set_user_attr(IDENTITY, identity)

    @cached_property
    def rungs(self) -> tuple[TrainRecipe, ...]:
        """The recipe of each rung."""
        return rungs_of(self.recipe, len(self.school.data(self.family.card.contract).train))

    @property
    def found(self) -> list[Found]:
        """All trials that were begun, in order."""
        trials = self.study.get_trials(deepcopy=False)
        return [_found(trial) for trial in trials if trial.state != TrialState.WAITING]

    @property
    def trained(self) -> int:
        """How many candidates were trained, until they were stopped or to the end."""
        return sum(one.state == State.TRAINED for one in self.found)

    def front(self) -> list[Found]:
        """Of those that went through every rung the ones that no other beats in everything, the least loss first."""
        whole = self.finished()
        if not whole:
            return []
        goals = [(one.loss, *(one.costs.known()[name] for name in self.gauge.names)) for one in whole]
        best = [one for one, front in zip(whole, fronts(goals), strict=True) if front == 0]
        return sorted(best, key=lambda one: (one.loss, one.number))

    def finished(self) -> list[Found]:
        """Those that went through as many rungs as any has."""
        trained = [one for one in self.found if one.state == State.TRAINED]
        most = max((len(one.accuracies) for one in trained), default=0)
        return [one for one in trained if len(one.accuracies) == most]

    def takes_up(self, best: Found, on_cluster: bool) -> bool:
        """Whether this candidate was the one to be made before, and there; from now on it is."""
        before, now = self.study.user_attrs.get(BEST), [best.number, on_cluster]
        if before != now:
            (self.folder / CHECKPOINT).unlink(missing_ok=True)  # of another network
        self.study.set_user_attr(BEST, now)
        return bool(before == now)

    def tidy(self) -> None:
        """After a kill: give what has no worker to the first one, and throw away what ended trials have left."""
        trials = {trial.number: trial for trial in self.study.get_trials(deepcopy=False)}
        for trial in trials.values():
            if trial.state == TrialState.RUNNING and WORKER not in trial.user_attrs:
                Trial(self.study, trial._trial_id).set_user_attr(WORKER, 0)
        for home in (self.folder / TRIALS).glob("*"):
            if home.name.isdecimal() and (found := trials.get(int(home.name))) and found.state.is_finished():
                shutil.rmtree(home, ignore_errors=True)
        with suppress(OSError):  # not empty, or not there
            (self.folder / TRIALS).rmdir()

    def work(
        self, trials: float, until: float, show: Callable[[Sequence[Found]], None], worker: int = 0, of: int = 1
    ) -> None:
        """Go on until so many candidates are trained, or ``time.monotonic()`` is ``until``.

        Each ``worker`` of several has its own number, and goes on with the trials that were cut off and are its share.
        It begins none that others are about to make unneeded.

        Raises:
            EdgekitError: the device or the data cannot be used.
        """
        missed = 0
        while time.monotonic() < until:
            with self._asking:
                trial = self._next(trials, worker, of)
            if trial is None:
                return
            before = self.trained
            self._try(trial, until, show)
            missed = 0 if self.trained > before else missed + 1
            show(self.found)
            if missed == MISSES:
                say(f"the last {MISSES} candidates did not fit or were known: there is hardly a new one")
                return

    def _next(self, trials: float, worker: int, of: int) -> Trial | None:
        """The worker's trial that was cut off, if there is one, or a new one; None if there are enough."""
        if self.trained >= trials:
            return None
        running = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        for trial in running:
            owner = trial.user_attrs.get(WORKER)  # another worker may be about to write it down
            if of == 1 or (owner is not None and owner % of == worker):
                return Trial(self.study, trial._trial_id)
        if self.trained + len(running) >= trials:
            return None
        new = self.study.ask()
        new.set_user_attr(WORKER, worker)
        return new

    def _try(self, trial: Trial, until: float, show: Callable[[Sequence[Found]], None]) -> None:
        drawn = {axis.name: _suggested(trial, axis) for axis in self.family.space.axes}
        values = {**drawn, SHRUNK: trial.user_attrs.get(SHRUNK, False)}
        trial.set_user_attr("network", str(self.family.candidate(values)))
        try:
            weighed = self.scales.weigh(values)
        except (ModelError, RuntimeCrashError) as exc:
            return self._end(trial, State.FAILED, str(exc))
        costs = weighed.costs
        trial.set_user_attr("costs", costs.known())
        if beyond := costs.beyond(self.gauge.limits):
            for name, share in beyond.items():
                trial.set_constraint(name, share)
            return self._end(trial, State.TOO_LARGE, describe(beyond, costs))
        if ENDS not in trial.user_attrs and self._is_small(costs):
            trial.set_constraint("spare", costs.spare(self.gauge.limits))
            return self._end(trial, State.TOO_SMALL, f"less than {OF_INTEREST:.0%} of every limit")
        trial.set_user_attr(KEY, weighed.key)
        if (twin := self._twin(weighed.key, trial.number)) is not None:
            why = f"the same network as {twin.number}"
            if twin.state == TrialState.RUNNING:
                return self._end(trial, State.KNOWN, f"{why}, which another worker trains")
            trial.set_user_attr(ENDS, twin.user_attrs[ENDS])
            return self._end(trial, State.KNOWN, why, twin.values)
        try:
            over = self._teach(trial, weighed, until, show)
        except TrainingError as exc:
            return self._end(trial, State.FAILED, str(exc))
        except EdgekitError:
            raise
        except Exception as exc:
            if not self._is_users_own:
                raise
            return self._end(trial, State.FAILED, f"its training failed with {type(exc).__name__}: {first_line(exc)}")
        if over:
            return None
        # A sampler would learn from the arguments of the family, of which the teacher has none.
        is_own = not weighed.candidate.is_shrunk
        goals = self._goals(trial.user_attrs[ENDS][-1][0], costs) if is_own else None
        return self._end(trial, State.TRAINED, goals=goals)

    @property
    def _is_users_own(self) -> bool:
        """Whether trainings run code that may raise what it likes."""
        return self.family.factory is not None or self.school.loss is not None

    def _teach(self, trial: Trial, weighed: Weighed, until: float, show: Callable[[Sequence[Found]], None]) -> bool:
        """Climb the rungs; true if the time was over before it was known whether to go on."""
        home = self._home(trial)
        ends = list(trial.user_attrs.get(ENDS, ()))
        if ends:
            load_weights(weighed.network, home / f"rung-{len(ends)}.safetensors")
        while self._has_next(trial, [loss for loss, _ in ends], weighed.costs):
            show(self.found)
            if time.monotonic() >= until:
                return True
            rung = len(ends) + 1
            taught = (weighed.network, weighed.candidate.contract, self.rungs[rung - 1], home / f"rung-{rung}")
            ends.append(self.school.teach(*taught))
            save_weights(weighed.network, home / f"rung-{rung}.safetensors")
            trial.set_user_attr(ENDS, ends)
        return False

    def _has_next(self, trial: Trial, losses: Sequence[float], costs: Costs) -> bool:
        rung = len(losses)
        if rung in (0, len(self.rungs)):
            return rung == 0
        others = [
            self._goals(one.losses[rung - 1], one.costs)
            for one in self.found
            if one.state == State.TRAINED and one.number != trial.number and len(one.losses) >= rung
        ]
        return goes_on(self._goals(losses[-1], costs), others)

    def _goals(self, loss: float, costs: Costs) -> list[float]:
        limits, known = self.gauge.limits.known(), costs.known()
        return [loss, *(max(known[name], OF_INTEREST * limits.get(name, 0.0)) for name in self.gauge.names)]

    def _is_small(self, costs: Costs) -> bool:
        limits, most = self.gauge.limits, 1 - OF_INTEREST
        if costs.spare(limits) <= most:
            return False
        return any(one.state == State.TRAINED and one.costs.spare(limits) <= most for one in self.found)

    def _twin(self, key: str, number: int) -> FrozenTrial | None:
        """A trial of the same network that was trained, or that was begun before and is being trained."""
        others = [one for one in self.study.get_trials(deepcopy=False) if one.user_attrs.get(KEY) == key]
        ended = (one for one in others if one.user_attrs.get(STATE) == State.TRAINED and one.values)
        begun = (one for one in others if one.state == TrialState.RUNNING and one.number < number)
        return next(itertools.chain(ended, begun), None)

    def _end(self, trial: Trial, state: State, why: str = "", goals: Sequence[float] | None = None) -> None:
        """Write down what became of a trial; samplers learn from its ``goals``, and from what did not fit."""
        trial.set_user_attr(STATE, state)
        trial.set_user_attr("why", why)
        without = TrialState.PRUNED if state in UNFIT else TrialState.FAIL
        self.study.tell(trial, goals, TrialState.COMPLETE if goals else without)
        shutil.rmtree(self._home(trial), ignore_errors=True)

    def _home(self, trial: Trial) -> Path:
        return self.folder / TRIALS / str(trial.number)


def _suggested(trial: Trial, axis: Axis) -> Any:
    distribution = axis.distribution
    if isinstance(distribution, IntDistribution):
        return trial.suggest_int(axis.name, distribution.low, distribution.high, step=distribution.step)
    return trial.suggest_categorical(axis.name, axis.values)


def _ranked(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Different networks that have learned, the best first; not the teacher with channels taken out."""
    taught = [one for one in trials if ENDS in one.user_attrs and not one.user_attrs.get(SHRUNK)]
    own = [one for one in taught if one.user_attrs.get(STATE) != State.KNOWN]
    return sorted(own, key=lambda one: (-len(one.user_attrs[ENDS]), one.user_attrs[ENDS][-1][0], one.number))


def _found(trial: FrozenTrial) -> Found:
    own = trial.user_attrs
    state = State.RUNNING if trial.state == TrialState.RUNNING else State(own[STATE])
    costs, ends = Costs(**own.get("costs", {})), own.get(ENDS, ())
    accuracies, losses = tuple(accuracy for _, accuracy in ends), tuple(loss for loss, _ in ends)
    values = {**trial.params, SHRUNK: own.get(SHRUNK, False)}
    return Found(trial.number, own.get("network", ""), values, costs, accuracies, losses, state, own.get("why", ""))
