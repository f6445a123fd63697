"""``edgekit search``: the best student that fits a device, found under a budget, distilled and quantized."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.catalog import network_card
from edgekit.console import Part, Remark, Table, Warn, changing_table, counted, say
from edgekit.data import Source, is_unset
from edgekit.data.reading import Reading
from edgekit.errors import ModelError, UsageError
from edgekit.files import require_writable, write_json
from edgekit.options import ANY_SEED, LARGEST_SEED, SOURCES, Options, byte_size, group, option
from edgekit.quantization.options import QuantizeOptions
from edgekit.quantization.quantize import QuantizeResult, quantize
from edgekit.result import Result
from edgekit.search.costs import TEXTS, Costs, Gauge
from edgekit.search.family import Family, open_family
from edgekit.search.school import School
from edgekit.search.shrunk import ShrunkTeacher
from edgekit.search.weighing import Scales
from edgekit.search.workers import beside
from edgekit.training.answers.ensemble import WAYS
from edgekit.training.distill import DistillOptions, DistillResult, distill
from edgekit.training.recipe_options import DistillRecipeOptions
from edgekit.training.teachers import TeacherOptions, open_teacher

if TYPE_CHECKING:
    from edgekit.search.study import Found, Study

STUDENT = "mnist-tiny"
HOURS = 1.0
RECORD = "search.json"
LOOKED_AT = 24
"""Candidates whose costs stand for those of a space, where no budget is given."""
SHARES = {"small": 1 / 12, "medium": 1 / 3, "large": 2 / 3}
"""Where among them the proposed budgets lie."""
SHOWN = 15
"""Rows of the live table."""


def milliseconds(text: str) -> float:
    """Read a time: ``5ms``, ``5`` or ``0.8 ms``, or ``300us``."""
    number, unit = text.strip().lower().replace("µ", "u"), 1.0
    for ending, size in (("ms", 1.0), ("us", 1e-3), ("s", 1e3)):
        if number.endswith(ending):
            number, unit = number.removesuffix(ending), size
            break
    try:
        value = float(number) * unit
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise ValueError(f"a time as in 5ms, 0.8 ms or 300us, not '{text}'")
    return value


@dataclass(frozen=True)
class SearchOptions(Options):
    """What to search, within which limits, and for how long. ``sampler`` proposes: tpe, or random to compare with."""

    student: str = option(
        "A student whose card has a space, or module:factory.", "", metavar="NAME", unset=f"{STUDENT}, for mnist"
    )
    teacher: tuple[str, ...] = option(
        "A card's name, FILE.onnx, FILE.pt2, a run folder or module:factory; several answer together.",
        (),
        unset="the student's",
        many=True,
    )
    ensemble: str = option("How several answers become one: all alike, or by confidence.", "mean", choices=WAYS)
    data: Source = option(SOURCES, "", metavar="SRC", unset="the card's")
    device: str = option("Where latency counts: a board (predicted), cpu or ssh://user@host (measured).", "")
    max_size: int | str | None = option(
        "Largest int8 file: 100KB or 0.1MB (of 1,000), 98KiB, 100000.", None, metavar="SIZE", read=byte_size
    )
    max_latency: float | str | None = option(
        "Longest inference on the device: 5ms, 300us.", None, metavar="TIME", read=milliseconds
    )
    max_arena: int | str | None = option(
        "Largest tensor arena in TFLite Micro: 64KB.", None, metavar="SIZE", read=byte_size
    )
    max_instructions: float | None = option("Most instructions of an inference, counted on an emulated board.", None)
    threads: int = option("Threads of the runtime on the device.", 1, least=1)
    hours: float | None = option("Search for so long.", None, unset=f"{HOURS:g}, without --trials", least=0)
    trials: int | None = option("Train so many candidates.", None, least=1)
    workers: int = option("Processes that search together, each on its share of the cores.", 1, least=1, most=64)
    out: Path | None = option("Folder for the study and the results.", None, metavar="DIR", unset="runs/NAME-search")
    reading: Reading = group(Reading)
    recipe: DistillRecipeOptions = group(DistillRecipeOptions)
    qat: bool = option("End the best student under the quantizer, with the teacher.", False)
    seed: int = option(ANY_SEED, 0, least=0, most=LARGEST_SEED)
    sampler: str = "tpe"

    def __post_init__(self) -> None:
        if not self.student and isinstance(self.data, str) and self.data in ("", "mnist"):
            object.__setattr__(self, "student", STUDENT)
        for name, read in (("max_size", byte_size), ("max_latency", milliseconds), ("max_arena", byte_size)):
            if isinstance(value := getattr(self, name), str):
                try:
                    object.__setattr__(self, name, read(value))
                except ValueError as exc:
                    raise UsageError(f"--{name.replace('_', '-')} takes {exc}.") from exc
        super().__post_init__()

    @property
    def limits(self) -> Costs:
        """What a candidate may cost."""
        return Costs(self.max_size, self.max_latency, self.max_arena, self.max_instructions)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Proposal:
    """A budget that networks of a space can meet, and what to type for it."""

    name: str
    costs: Costs
    options: str


@dataclass(frozen=True)
class SearchResult(Result):
    """What was found: ``front`` is what no other candidate beats, ``best`` the one that was distilled and quantized.

    Accuracies in a study are those on the validation images after its short trainings. Without a budget there are
    ``proposals`` and nothing else.
    """

    student: str
    teacher: str
    data: str
    device: str
    limits: Costs
    provenance: str
    proposals: tuple[Proposal, ...] = ()
    candidates: tuple[Found, ...] = ()
    front: tuple[Found, ...] = ()
    best: Found | None = None
    distilled: DistillResult | None = None
    quantized: QuantizeResult | None = None

    def parts(self) -> Iterator[Part]:
        """The budgets, or the front and what the best became."""
        if self.proposals:
            rows = [(one.name, *_cost_cells(one.costs, self.names), one.options) for one in self.proposals]
            yield Table(f"budgets for {self.student}", ("", *self._columns(), "search with"), rows)
            return
        counts = {state: sum(one.state == state for one in self.candidates) for state in ("too large", "failed")}
        trained = sum(one.state == "trained" for one in self.candidates)
        rows = [
            (f"{one.number}", one.network, *_cost_cells(one.costs, self.names), f"{one.accuracy:.2%}")
            for one in self.front
        ]
        title = "what no other candidate beats (accuracy: validation, after its last short training)"
        yield Table(title, ("", "network", *self._columns(), "accuracy"), rows)
        text = f"{counted(trained, 'candidates')} trained; not trained, since they do not fit: {counts['too large']:,}"
        yield Remark(text + (f"; failed: {counts['failed']:,}" if counts["failed"] else ""))
        if self.distilled is not None:
            yield from self.distilled.parts()
        if self.quantized is not None and self.distilled is not None and self.distilled.int8 is None:
            yield from self.quantized.parts()
        size = self.limits.bytes
        if self.quantized is not None and size is not None and self.quantized.tflite.file_bytes > size:
            yield Warn(f"{self.quantized.tflite.file} is over --max-size {size:,.0f}: please report it")

    @property
    def names(self) -> tuple[str, ...]:
        """The costs that were looked at."""
        found: list[Costs] = [one.costs for one in self.front] + [one.costs for one in self.proposals]
        return tuple(found[0].known()) if found else ()

    def _columns(self) -> tuple[str, ...]:
        where = {"latency_ms": f"latency ({self.provenance})", "arena_bytes": "arena"}
        return tuple(where.get(name, name) for name in self.names)


def _cost_cells(costs: Costs, names: Sequence[str]) -> Iterator[str]:
    known = costs.known()
    return (TEXTS[name](known[name]) if name in known else "" for name in names)


def search(options: SearchOptions) -> SearchResult:
    """Find the best student of a family within limits, then distil it by its full recipe and quantize it.

    The study lies in the folder as study.db: the same command goes on with it, and one that was killed and called again
    ends as if it had not been. Ctrl-C ends the search with what there is; once more ends the command.

    Raises:
        UsageError: no network of the space meets the budget, the device knows no latency for it, or the folder holds
            another study.
        EdgekitError: as ``distill`` and ``quantize``.
    """
    setting = Setting.of(options)
    if not setting.gauge.limits.known():
        return setting.result(proposals=tuple(setting.proposals()))
    study = setting.explored()
    finished = study.finished()
    if not finished:
        raise UsageError("No candidate was trained to the end in this time; give more --hours, and it goes on.")
    best = max(finished, key=lambda one: (one.accuracy, -one.number))
    distilled = setting.distilled(best, resume=study.takes_up(best))
    quantized = distilled.int8 or quantize(
        QuantizeOptions(
            str(setting.folder), options.data or setting.family.card.data, int8=True, reading=options.reading
        )
    )
    result = setting.result(
        candidates=tuple(study.found), front=tuple(study.front()), best=best, distilled=distilled, quantized=quantized
    )
    write_json(setting.folder / RECORD, {**result.to_dict(), "seed": options.seed})
    return result


@dataclass(frozen=True)
class Setting:
    """What a search stands on."""

    options: SearchOptions
    scales: Scales
    folder: Path

    @classmethod
    def of(cls, options: SearchOptions) -> Setting:
        """Open all that the options name."""
        if not options.student:
            raise UsageError(f"Nothing says which family learns {options.data}; name one with --student, as cifar-s.")
        source = options.data
        if is_unset(source) and ":" not in options.student:
            source = network_card("students", options.student).data
        if is_unset(source):
            raise UsageError(f"The student {options.student} has no data of its own; name a source with --data.")
        family = open_family(options.student, source, options.reading)
        named = options.teacher or tuple(filter(None, [family.card.teacher]))
        if not options.limits.known():
            named = ()  # budgets are proposed without one
        elif not named:
            raise UsageError(f"The student {options.student} has no teacher of its own; name one with --teacher.")
        gauge = Gauge(options.limits, options.device, options.threads)
        _ = gauge.opened
        shape = family.card.contract.shape
        teachers = tuple(open_teacher(TeacherOptions(one), shape) for one in named)
        school = School(teachers, options.ensemble, source, options.reading, options.seed)
        if gauge.limits.bytes is not None and len(teachers) == 1 and teachers[0].network is not None:
            to = int(gauge.limits.bytes)
            family = replace(family, shrunk=ShrunkTeacher(teachers[0], school.data, to, options.seed))
        name = options.student.rpartition(":")[2]
        folder = require_writable(options.out or Path("runs") / f"{name}-search")
        return cls(options, Scales(family, school, gauge), folder)

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
        self._require_possible()
        study = self.study()
        trials, hours = self.options.trials or math.inf, self.options.hours
        if hours is None:
            hours = math.inf if self.options.trials else HOURS
        before, until = len(study.found), time.monotonic() + 3600 * hours
        try:
            self.school.ask(self.family.card.contract, study.rungs[-1])
            with changing_table() as show, beside(self.options, trials, until):
                study.work(trials, until, lambda found: show(_live(found, self.gauge)))
        except KeyboardInterrupt:
            say("interrupted: the search ends here; once more ends the command")
        say(f"{counted(len(study.found) - before, 'candidates')} looked at, {study.trained:,} trained so far")
        return study

    def study(self) -> Study:
        """The study in the folder, or a new one.

        Raises:
            UsageError: it is another one.
        """
        from edgekit.search.study import Study

        recipe = self.options.recipe.of(self.family.card)
        identity = {
            "student": self.options.student,
            "space": [asdict(axis) for axis in self.family.space.axes],
            "data": self.school.data(self.family.card.contract).sha256,
            "teacher": [teacher.sha256 for teacher in self.school.teachers],
            "ensemble": self.school.way,
            "recipe": recipe.to_dict(),
            "limits": self.gauge.limits.known(),
            "device": self.gauge.device,
            "threads": self.gauge.threads,
            "seed": self.options.seed,
            "sampler": self.options.sampler,
        }
        return Study(self.scales, recipe, self.folder, identity, self.options.sampler)

    def proposals(self) -> Iterator[Proposal]:
        """Three budgets that networks of the space meet, by what candidates drawn by chance cost."""
        rng = np.random.default_rng(self.options.seed)
        drawn = [
            {axis.name: axis.values[rng.integers(len(axis.values))] for axis in self.family.space.axes}
            for _ in range(LOOKED_AT)
        ]
        costs = sorted((self.scales.weigh(values).costs for values in drawn), key=lambda one: one.bytes or 0)
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

    def _require_possible(self) -> None:
        """Raise UsageError if not even the smallest networks of the space meet the budget."""
        smallest: list[Costs] = []
        failure: ModelError | None = None
        for values in self.family.space.least():
            try:
                costs = self.scales.weigh(values).costs
            except ModelError as exc:  # of some values only, it may be
                failure = exc
                continue
            if not costs.beyond(self.gauge.limits):
                return
            smallest.append(costs)
        if not smallest and failure is not None:
            raise failure
        least = min(smallest, key=lambda one: sum(one.beyond(self.gauge.limits).values()))
        raise UsageError(f"Nothing in the space of {self.options.student} meets the budget: the smallest has {least}.")


def _live(found: Sequence[Found], gauge: Gauge) -> Table:
    """The latest candidates and the best, as far as they are known."""
    too_large = sum(one.state == "too large" for one in found)
    shown = [one for one in found if one.state != "too large"][-SHOWN:]
    rows = [
        (
            f"{one.number}",
            one.network,
            *_cost_cells(one.costs, gauge.names),
            " ".join(f"{accuracy:.2%}" for accuracy in one.accuracies),
            one.why or one.state,
        )
        for one in shown
    ]
    best = max((one for one in found if one.accuracies), key=lambda one: one.accuracy, default=None)
    title = f"{len(found):,} candidates, {too_large:,} too large" + (f"; best {best.accuracy:.2%}" if best else "")
    return Table(title, ("", "network", *gauge.names, "after each rung", ""), rows)


def _rounded_up(value: float) -> float:
    """With two significant digits."""
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    return math.ceil(value / unit) * unit
