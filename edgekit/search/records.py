"""What ``search`` takes and what it gives."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.console import Part, Remark, Table, Warn, counted
from edgekit.data import Source
from edgekit.data.reading import Reading
from edgekit.errors import UnknownNameError
from edgekit.operators.weight_scheme import WeightScheme
from edgekit.options import (
    ANY_SEED,
    LARGEST_SEED,
    MOST_THREADS,
    RAY,
    SOURCES,
    Options,
    byte_size,
    group,
    option,
)
from edgekit.quantization.quantize import QuantizeResult
from edgekit.result import Result
from edgekit.search.costs import TEXTS, UNFIT, Costs, State
from edgekit.training.answers.ensemble import WAYS
from edgekit.training.distill import DistillResult
from edgekit.training.recipe_options import DistillRecipeOptions
from edgekit.training.teachers import TeacherDetails

if TYPE_CHECKING:
    from edgekit.search.trials import Found

STUDENT = "mnist-tiny"
HOURS = 1.0
GUIDED, RANDOM = SAMPLERS = ("guided", "random")


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
    """What to search, within which limits, and for how long.

    ``sampler``: guided, or random to compare with: by chance alone, without the card's own network and the cut teacher.
    """

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
    details: TeacherDetails = group(TeacherDetails)
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
    threads: int = option("Threads of the runtime on the device.", 1, least=1, most=MOST_THREADS)
    hours: float | None = option(
        "Search for so long; short trainings that were begun are ended.",
        None,
        unset=f"{HOURS:g}, without --trials",
        least=0,
    )
    trials: int | None = option("Train so many candidates.", None, least=1)
    workers: int | None = option(
        "Candidates that are trained at once, each on its share of the cores.",
        None,
        unset="1; with --ray one for each core of the cluster",
        least=1,
        most=1024,
    )
    ray: str = option(RAY, "", metavar="ADDRESS")
    out: Path | None = option("Folder for the study and the results.", None, metavar="DIR", unset="runs/NAME-search")
    reading: Reading = group(Reading)
    recipe: DistillRecipeOptions = group(DistillRecipeOptions)
    qat: bool = option("End the best student under the quantizer, with the teacher.", False)
    weights: WeightScheme = group(WeightScheme)
    seed: int = option(ANY_SEED, 0, least=0, most=LARGEST_SEED)
    sampler: str = GUIDED

    def __post_init__(self) -> None:
        if not self.student and isinstance(self.data, str) and self.data in ("", "mnist"):
            object.__setattr__(self, "student", STUDENT)
        super().__post_init__()
        if self.sampler not in SAMPLERS:
            raise UnknownNameError("sampler", self.sampler, SAMPLERS)
        self.details.of(self.teacher)

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
            rows = [(one.name, *cost_cells(one.costs, self.names), one.options) for one in self.proposals]
            yield Table(f"budgets for {self.student}", ("", *self._columns(), "search with"), rows)
            return
        states = Counter(one.state for one in self.candidates)
        rows = [
            (f"{one.number}", one.network, *cost_cells(one.costs, self.names), f"{one.loss:.4g}", f"{one.accuracy:.2%}")
            for one in self.front
        ]
        title = "what no other candidate beats (loss and accuracy: validation, after its last short training)"
        yield Table(title, ("", "network", *self._columns(), "loss", "accuracy"), rows)
        others = ", ".join(f"{states[state]:,} {state}" for state in (*UNFIT, State.FAILED) if states[state])
        text = f"{counted(states[State.TRAINED], 'candidates')} trained"
        yield Remark(f"{text}; not trained: {others}" if others else text)
        if self.distilled is not None:
            yield from replace(self.distilled, int8=self.quantized).parts()
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


def cost_cells(costs: Costs, names: Sequence[str]) -> Iterator[str]:
    """Texts for columns of costs."""
    known = costs.known()
    return (TEXTS[name](known[name]) if name in known else "" for name in names)
