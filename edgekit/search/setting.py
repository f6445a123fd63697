"""What a search stands on, opened: the family, the school, the device; and what is done with them."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.catalog import network_card, run_folder
from edgekit.closing import Closing
from edgekit.console import Table, changing_table, counted, say
from edgekit.data import holds_photos
from edgekit.data.factory import code_of
from edgekit.errors import ModelError, RuntimeCrashError, UsageError
from edgekit.inputs.contract import InputContract
from edgekit.operators.weight_scheme import EIGHT_BITS
from edgekit.search.costs import UNFIT, Costs, Gauge
from edgekit.search.family import Family, open_family
from edgekit.search.halving import rungs_of
from edgekit.search.records import HOURS, Proposal, SearchOptions, SearchResult, cost_cells
from edgekit.search.school import School
from edgekit.search.shrunk import ShrunkTeacher
from edgekit.search.weighing import Scales
from edgekit.search.workers import crew_of
from edgekit.training.distill import DistillOptions, DistillResult, distill
from edgekit.training.recipe_options import DistillRecipeOptions
from edgekit.training.shrinking.shrink import looks_once
from edgekit.training.student import data_of
from edgekit.training.teachers import open_teacher
from edgekit.zoo import arguments_of

if TYPE_CHECKING:
    from edgekit.search.study import Study
    from edgekit.search.trials import Found
    from edgekit.training.loop import Train

LOOKED_AT = 24
"""Candidates whose costs stand for those of a space, where no budget is given."""
SHARES = {"small": 1 / 12, "medium": 1 / 3, "large": 2 / 3}
"""Where among them the proposed budgets lie."""
FEWEST_CLASSES = ("0", "1")
SHOWN = 15
"""Rows of the live table."""


@dataclass(frozen=True)
class Setting(Closing):
    """What a search stands on."""

    options: SearchOptions
    scales: Scales
    folder: Path

    @classmethod
    def of(cls, options: SearchOptions) -> Setting:
        """Open all that the options name."""
        return cls.without_teachers(options).taught()

    @classmethod
    def without_teachers(cls, options: SearchOptions) -> Setting:
        """Open what a budget is compared with. No data are read before they are asked for."""
        if not options.student:
            known = "photo-s" if holds_photos(options.data) else "cifar-s"
            raise UsageError(f"Nothing says which family learns {options.data}; name one with --student, as {known}.")
        own = "" if ":" in options.student else network_card("students", options.student).data
        source = data_of(f"student {options.student}", own, options.data)
        family = open_family(options.student, source, options.reading)
        if options.limits.known() and not options.teacher and not family.card.teacher:
            raise UsageError(f"The student {options.student} has no teacher of its own; name one with --teacher.")
        gauge = Gauge(options.limits, options.device, options.threads)
        _ = gauge.opened
        school = School((), options.ensemble, source, options.reading, options.seed, options.recipe.own_loss)
        name = options.student.rpartition(":")[2]
        folder = run_folder(options.out, f"{name}-search")
        return cls(options, Scales(family, school, gauge, options.weights), folder)

    def taught(self) -> Setting:
        """With the teachers, if there is a budget; one of pictures that can be cut to it is in the space too."""
        if not self.gauge.limits.known():
            return self
        card, seed, size = self.family.card, self.options.seed, self.gauge.limits.bytes
        named = self.options.details.of(self.options.teacher or (card.teacher,))
        teachers = tuple(open_teacher(one, card.contract) for one in named)
        school, family = replace(self.school, teachers=teachers), self.family
        are_pictures = isinstance(card.contract, InputContract)
        if are_pictures and size is not None and len(teachers) == 1 and teachers[0].network is not None:
            shrunk = ShrunkTeacher(looks_once(teachers[0]), school.data, int(size), seed, self.options.weights)
            family = replace(family, shrunk=shrunk)
        return replace(self, scales=replace(self.scales, family=family, school=school))

    def require_possible(self) -> None:
        """Raise UsageError if not even the smallest networks of the space meet the budget.

        Those of the catalog are first weighed for as few classes as there can be, which needs no data.
        """
        if self.gauge.limits.known():
            if self.family.factory is None:
                self.scales.require_possible(FEWEST_CLASSES)
            self.scales.require_possible(self.school.data(self.family.card.contract).classes)

    def close(self) -> None:
        """Let go of the device."""
        self.gauge.close()

    @property
    def family(self) -> Family:
        """What is searched."""
        return self.scales.family

    @property
    def school(self) -> School:
        """Where candidates are taught."""
        return self.scales.school

    @property
    def gauge(self) -> Gauge:
        """What tells their costs."""
        return self.scales.gauge

    def explored(self) -> Study:
        """The study, gone on with until the time is over, the trials are made, or Ctrl-C."""
        trials, hours = self.options.trials or math.inf, self.options.hours
        if hours is None:
            hours = math.inf if self.options.trials else HOURS
        with crew_of(self.options) as crew:
            study = self.study(crew.train)
            study.tidy()
            before, until = len(study.found), time.monotonic() + 3600 * hours
            try:
                self.school.ask(self.family.card.contract, study.rungs[-1])
                with changing_table() as show, crew.beside(study, trials, until):
                    study.work(trials, until, lambda found: show(_live(found, self.gauge)), of=crew.count)
            except KeyboardInterrupt:
                say("interrupted: the search ends here; once more ends the command")
        say(f"{counted(len(study.found) - before, 'candidates')} looked at, {study.trained:,} trained so far")
        return study

    def study(self, train: Train | None = None) -> Study:
        """The study in the folder, or a new one; ``train`` stands in for the training loop.

        Raises:
            UsageError: it is another one.
        """
        from edgekit.search.study import Study
        from edgekit.training.losses import needs_features

        card, details = self.family.card, self.options.details
        data = self.school.data(card.contract)
        recipe = self.options.recipe.of(card, len(data.train))
        if self.school.loss is None and needs_features(recipe.loss):
            raise UsageError("Candidates learn answers alone; leave the loss hint out, and 'distill' the best with it.")
        identity = {
            "student": self.options.student,
            "network": code_of(self.family.factory) if self.family.factory else arguments_of(card.architecture),
            "loss": code_of(self.school.loss) if self.school.loss else "",
            "space": [asdict(axis) for axis in self.family.space.axes],
            "data": data.sha256,
            "teacher": [*(one.sha256 for one in self.school.teachers), *details.teacher_mean, *details.teacher_std],
            "ensemble": self.school.way,
            "recipe": recipe.to_dict(),
            "goal": "cross-entropy",
            "schedule of rungs": [one.epochs for one in rungs_of(recipe, len(data.train))],
            "limits": self.gauge.limits.known(),
            "device": self.gauge.device,
            "threads": self.gauge.threads,
            **asdict(self.options.weights),
            "seed": self.options.seed,
            "sampler": self.options.sampler,
        }
        scales = replace(self.scales, school=replace(self.school, train=train))
        return Study(scales, recipe, self.folder, identity, self.options.sampler)

    def proposals(self) -> Iterator[Proposal]:
        """Three budgets that networks of the space meet, by what candidates drawn by chance cost."""
        rng = np.random.default_rng(self.options.seed)
        found, failure = [], None
        for _ in range(LOOKED_AT):
            drawn = {axis.name: axis.values[rng.integers(len(axis.values))] for axis in self.family.space.axes}
            try:
                found.append(self.scales.weigh(drawn).costs)
            except (ModelError, RuntimeCrashError) as exc:  # of some values only, it may be
                failure = exc
        if not found and failure is not None:
            raise failure
        costs = sorted(found, key=lambda one: one.bytes or 0)
        for name, share in SHARES.items():
            picked = costs[int(share * len(costs))]
            size, latency = _rounded_up(picked.bytes or 0), picked.latency_ms
            text = f"--max-size {size:.0f}"
            if latency is not None:
                latency = _rounded_up(max(one.latency_ms or 0 for one in costs if (one.bytes or 0) <= size))
                text += f" --device {self.options.device} --max-latency {latency:g}ms"
            yield Proposal(name, Costs(size, latency), text)

    def distilled(self, best: Found, resume: bool) -> DistillResult:
        """The best student, by its full recipe; ``resume`` goes on where that was cut off."""
        import torch

        candidate = self.family.candidate(best.values)
        torch.manual_seed(self.options.seed)
        network = self.family.build(candidate, len(self.school.data(self.family.card.contract).classes))
        say(f"the best of the search: {candidate}, {best.costs}; distilling it by its full recipe")
        own = {
            "student": network,
            "teacher": self.options.teacher or (self.family.card.teacher,),
            "data": self.school.source,
            "out": self.folder,
            "recipe": DistillRecipeOptions(self.options.recipe.of(self.family.card), loss=self.options.recipe.loss),
            "resume": resume,
            "contract": candidate.contract,
            "structure": self.family.structure(candidate),
        }
        if not self.options.qat:  # the quantizer, which comes after, is told
            own["weights"] = EIGHT_BITS
        return distill(DistillOptions(**self.options.shared_with(DistillOptions) | own))

    def result(self, **found: Any) -> SearchResult:
        """What a search gives back."""
        return SearchResult(
            self.options.student,
            " + ".join(teacher.name for teacher in self.school.teachers),
            self.school.data(self.family.card.contract).name,
            self.gauge.device,
            self.gauge.limits,
            self.gauge.provenance,
            **found,
        )


def _live(found: Sequence[Found], gauge: Gauge) -> Table:
    """The latest candidates and the best, as far as they are known."""
    shown = [one for one in found if one.state not in UNFIT][-SHOWN:]
    rows = [
        (
            f"{one.number}",
            one.network,
            *cost_cells(one.costs, gauge.names),
            " ".join(f"{accuracy:.2%}" for accuracy in one.accuracies),
            one.why or one.state,
        )
        for one in shown
    ]
    best = max((one.accuracy for one in found if one.accuracies), default=None)
    counts = [f"{sum(one.state == state for one in found):,} {state}" for state in UNFIT]
    title = ", ".join([counted(len(found), "candidates"), *counts]) + (f"; best {best:.2%}" if best else "")
    return Table(title, ("", "network", *gauge.names, "after each rung", ""), rows)


def _rounded_up(value: float) -> float:
    """With two significant digits."""
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    return math.ceil(value / unit) * unit
