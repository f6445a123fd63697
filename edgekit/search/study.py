"""The study: candidates proposed, weighed, taught and remembered, in one SQLite file that a kill leaves whole.

A trial of the study is one rung of a candidate; that of a later rung says which one it continues. What is random of a
candidate depends on the seed and its place among all alone, and a trial that a kill has cut off is gone on with before
the next is begun. So with one worker a study that was killed ends as one that was not.
"""

from __future__ import annotations

import itertools
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import optuna
from optuna.distributions import IntDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from edgekit.console import say
from edgekit.errors import EdgekitError, ModelError, RuntimeCrashError, TrainingError, UsageError
from edgekit.recipe import TrainRecipe
from edgekit.runtimes.refusal import first_line
from edgekit.search.costs import UNFIT, Costs, State, describe
from edgekit.search.halving import SHARE, best_third, fronts, rungs_of
from edgekit.search.proposing import NumberedSampler
from edgekit.search.records import GUIDED, RANDOM
from edgekit.search.shrunk import SHRUNK
from edgekit.search.space import Axis
from edgekit.search.trials import CONTINUES, ENDS, KEY, OF_NETWORK, STATE, WORKER, Found, latest, place, ranked
from edgekit.search.weighing import Scales, Weighed
from edgekit.training.checkpoint import CHECKPOINT
from edgekit.training.weights import load_weights, save_weights

STUDY_FILE, NAME = "study.db", "edgekit"
IDENTITY, BEST = "identity", "best"
"""Attributes of the study."""
TRIALS = "trials"
"""The folder of what is being trained, and of the weights that may go on."""
MISSES = 300
"""After so many candidates in a row that do not fit, fail or are known already, there is hardly a new one."""
OF_INTEREST = 0.8
"""A cost below this share of its limit counts as this share: who allows 100 KB does not look for the best of 10.
What is below it in every cost is not trained where something larger fits."""
PATIENCE_S = 60
"""For another worker that writes."""


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
        sampler: str = GUIDED,
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
                sampler=NumberedSampler(self.school.seed, sampler, ranked, place),
                load_if_exists=True,
            )
        except Exception as exc:  # a file that is no database makes the layers below raise what they like
            reason = first_line(exc)
            if "locked" in reason:
                raise UsageError(f"Another search writes {path}; wait for its end, or choose another --out.") from exc
            raise UsageError(f"{path} is no study of 'edgekit search' ({reason}); choose another --out.") from exc
        self._require_same(path, json.loads(json.dumps(identity)))
        if not self.study.trials and sampler != RANDOM:
            for values in self.family.first():
                known = {axis.name: values[axis.name] for axis in self.family.space.axes}
                self.study.enqueue_trial(known, user_attrs={SHRUNK: SHRUNK in values})

    def _require_same(self, path: Path, identity: dict[str, Any]) -> None:
        known = self.study.user_attrs.get(IDENTITY, identity)
        for key, value in identity.items():
            if known.get(key) != value:
                raise UsageError(f"{path} is a study that differs in {key}; choose another --out, or the same {key}.")
        self.study.set_user_attr(IDENTITY, identity)

    @cached_property
    def rungs(self) -> tuple[TrainRecipe, ...]:
        """The recipe of each rung."""
        return rungs_of(self.recipe, len(self.school.data(self.family.card.contract).train))

    @property
    def found(self) -> list[Found]:
        """All candidates that were begun, by their latest rungs, in order."""
        return latest(self.study.get_trials(deepcopy=False))

    @property
    def trained(self) -> int:
        """How many candidates were trained, until they were stopped or to the end."""
        trials = self.study.get_trials(deepcopy=False)
        return sum(one.user_attrs.get(STATE) == State.TRAINED and CONTINUES not in one.user_attrs for one in trials)

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
        """After a kill: give what has no worker to the first one, and throw away what ended trials have left.

        The weights of those that may go on stay.
        """
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
            missed = 0 if self._try(trial, show) else missed + 1
            show(self.found)
            if missed == MISSES:
                say(f"the last {MISSES} candidates did not fit or were known: there is hardly a new one")
                return

    def _next(self, trials: float, worker: int, of: int) -> Trial | None:
        """The worker's trial that was cut off, if there is one, the next rung of a candidate, or a new one.

        None if there are enough.
        """
        running = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        for trial in running:
            owner = trial.user_attrs.get(WORKER)  # another worker may be about to write it down
            if of == 1 or (owner is not None and owner % of == worker):
                return Trial(self.study, trial._trial_id)
        begun = sum(CONTINUES not in trial.user_attrs for trial in running)
        are_enough = self.trained + begun >= trials
        if (best := self._due(are_enough)) is not None:
            return self._continued(best, worker)
        if are_enough:
            return None
        new = self.study.ask()
        new.set_user_attr(WORKER, worker)
        return new

    def _due(self, are_enough: bool) -> FrozenTrial | None:
        """The trial to continue: among the best third of a rung, the latest such.

        A third is one of three at least, but in the end, when there are candidates enough, one of what is there.
        """
        trials = self.study.get_trials(deepcopy=False)
        continued = {trial.user_attrs.get(CONTINUES) for trial in trials}
        trained = [one for one in trials if one.user_attrs.get(STATE) == State.TRAINED]
        for rung in range(len(self.rungs) - 1, 0, -1):
            here = [one for one in trained if len(one.user_attrs[ENDS]) == rung]
            if len(here) >= SHARE or (here and are_enough):
                for index in best_third([self._goals(one) for one in here]):
                    if here[index].number not in continued and self._weights(here[index].number).exists():
                        return here[index]
        return None

    def _continued(self, trial: FrozenTrial, worker: int) -> Trial:
        """A trial of the next rung of the same candidate."""
        own = {name: trial.user_attrs[name] for name in OF_NETWORK if name in trial.user_attrs}
        new = create_trial(
            state=TrialState.RUNNING,
            params=trial.params,
            distributions=trial.distributions,
            user_attrs={**own, CONTINUES: trial.number, WORKER: worker},
        )
        return Trial(self.study, self.study._storage.create_new_trial(self.study._study_id, new))

    def _try(self, trial: Trial, show: Callable[[Sequence[Found]], None]) -> bool:
        """One trial to its end; whether something was trained."""
        drawn = {axis.name: _suggested(trial, axis) for axis in self.family.space.axes}
        values = {**drawn, SHRUNK: trial.user_attrs.get(SHRUNK, False)}
        trial.set_user_attr("network", str(self.family.candidate(values)))
        try:
            weighed = self.scales.weigh(values)
        except (ModelError, RuntimeCrashError) as exc:
            return self._end(trial, State.FAILED, str(exc))
        if CONTINUES in trial.user_attrs:
            if self._is_taken(trial):
                return self._end(trial, State.KNOWN, "another worker trains it on")
        elif not self._enters(trial, weighed):
            return False
        show(self.found)
        try:
            self._teach(trial, weighed)
        except TrainingError as exc:
            return self._end(trial, State.FAILED, str(exc))
        except EdgekitError:
            raise
        except Exception as exc:
            if not self._is_users_own:
                raise
            return self._end(trial, State.FAILED, f"its training failed with {type(exc).__name__}: {first_line(exc)}")
        # A sampler would learn from the arguments of the family, of which the teacher has none.
        goals = None if weighed.candidate.is_shrunk else self._goals(trial)
        return self._end(trial, State.TRAINED, goals=goals)

    def _enters(self, trial: Trial, weighed: Weighed) -> bool:
        """Whether a new candidate is worth a training; if not, its trial has ended."""
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
        return True

    @property
    def _is_users_own(self) -> bool:
        """Whether trainings run code that may raise what it likes."""
        return self.family.factory is not None or self.school.loss is not None

    def _teach(self, trial: Trial, weighed: Weighed) -> None:
        """Train the candidate by the trial's rung, from the weights of the one before."""
        ends, before = list(trial.user_attrs.get(ENDS, ())), trial.user_attrs.get(CONTINUES)
        rung = 0 if before is None else len(self.study.get_trials(deepcopy=False)[before].user_attrs[ENDS])
        if len(ends) > rung:  # a kill came when all was done but this
            return
        if before is not None:
            load_weights(weighed.network, self._weights(before))
        taught = (weighed.network, weighed.candidate.contract, self.rungs[rung], self._home(trial) / f"rung-{rung + 1}")
        end = self.school.teach(*taught)
        save_weights(weighed.network, self._weights(trial.number))
        trial.set_user_attr(ENDS, [*ends, end])

    def _goals(self, trial: Trial | FrozenTrial) -> list[float]:
        """Of one that has learned: its loss after its rung, and what else is to be small."""
        limits, known = self.gauge.limits.known(), trial.user_attrs["costs"]
        costs = (max(known[name], OF_INTEREST * limits.get(name, 0.0)) for name in self.gauge.names)
        return [trial.user_attrs[ENDS][-1][0], *costs]

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

    def _is_taken(self, trial: Trial) -> bool:
        """Whether another worker has begun the same rung of the same candidate before."""
        others = self.study.get_trials(deepcopy=False)[: trial.number]
        return any(other.user_attrs.get(CONTINUES) == trial.user_attrs[CONTINUES] for other in others)

    def _end(self, trial: Trial, state: State, why: str = "", goals: Sequence[float] | None = None) -> bool:
        """Write down what became of a trial; samplers learn from its ``goals``, and from what did not fit.

        Whether it was trained.
        """
        trial.set_user_attr(STATE, state)
        trial.set_user_attr("why", why)
        without = TrialState.PRUNED if state in UNFIT else TrialState.FAIL
        self.study.tell(trial, goals, TrialState.COMPLETE if goals else without)
        shutil.rmtree(self._home(trial), ignore_errors=True)
        before = trial.user_attrs.get(CONTINUES)
        if before is not None and state != State.KNOWN:
            self._weights(before).unlink(missing_ok=True)
        return state == State.TRAINED

    def _home(self, trial: Trial) -> Path:
        return self.folder / TRIALS / str(trial.number)

    def _weights(self, number: int) -> Path:
        """What a trial has learned."""
        return self.folder / TRIALS / f"{number}.safetensors"


def _suggested(trial: Trial, axis: Axis) -> Any:
    distribution = axis.distribution
    if isinstance(distribution, IntDistribution):
        return trial.suggest_int(axis.name, distribution.low, distribution.high, step=distribution.step)
    return trial.suggest_categorical(axis.name, axis.values)
