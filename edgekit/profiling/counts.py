"""From the lines of the instruction counter to counts: of one run by class, and of each operator in it.

A line is a kind and its numbers: the clock in nanoseconds, then the counters COUNTERS as they stood then. "mark" lines
come in pairs around a run, the first pair around nothing; "clock" lines are moments in between at which the program
read the clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from itertools import pairwise

Entry = tuple[str, tuple[int, ...]]
TOLERANCE_NS = 25_000
TOLERANCE = 0.1
"""How far an operator's time by the profiler may be from that of its gap between two readings of the clock."""


@dataclass(frozen=True)
class InstructionCounts:
    """Executed AArch64 instructions by class, and the bytes that loads and stores moved to and from registers.

    ``vector`` is SIMD and floating point but for multiplies (``vector_multiply``, with or without adding) and dot
    products (``vector_dot``: SDOT, UDOT, USDOT, SMMLA and their kind). ``branch`` includes system instructions.
    """

    integer: int
    branch: int
    load: int
    store: int
    vector: int
    vector_multiply: int
    vector_dot: int
    vector_load: int
    vector_store: int
    load_bytes: int
    store_bytes: int

    @property
    def total(self) -> int:
        """All instructions."""
        return sum(getattr(self, name) for name in CLASSES)

    def __sub__(self, other: InstructionCounts) -> InstructionCounts:
        return InstructionCounts(*(max(0, getattr(self, name) - getattr(other, name)) for name in COUNTERS))

    def to_dict(self) -> dict[str, int]:
        """Plain values with the total, for JSON."""
        return {"total": self.total, **asdict(self)}


COUNTERS = tuple(item.name for item in fields(InstructionCounts))
CLASSES = tuple(name for name in COUNTERS if not name.endswith("_bytes"))


@dataclass(frozen=True)
class OperatorCount:
    """One operator, named as the runtime names it."""

    name: str
    type: str
    counts: InstructionCounts


def count_runs(log: Sequence[Entry]) -> list[InstructionCounts]:
    """The counts of each marked run, less those of the first pair of marks, which encloses nothing."""
    marks = [numbers for kind, numbers in log if kind == "mark"]
    nothing, *runs = (_between(begin, end) for begin, end in zip(marks[::2], marks[1::2], strict=True))
    return [run - nothing for run in runs]


def count_operators(log: Sequence[Entry], timed: Sequence[tuple[str, str, float]]) -> tuple[OperatorCount, ...] | None:
    """The counts of each operator of one marked run; None if they cannot be told.

    ``timed`` are the operators' (name, type, nanoseconds) by the runtime's own profiler. It took these times from the
    clock, whose readings the log holds with the counters: each operator is one gap between two readings. Which one is
    found by the times: of all ways to give each operator a gap, in order, the one with the smallest sum of differences.
    """
    readings = [numbers for _, numbers in log]
    gaps = list(pairwise(readings))
    found = assign([nanoseconds for _, _, nanoseconds in timed], [after[0] - before[0] for before, after in gaps])
    if found is None:
        return None
    named = zip(timed, found, strict=True)
    return tuple(OperatorCount(name, kind, _between(*gaps[index])) for (name, kind, _), index in named)


def assign(wanted: Sequence[float], given: Sequence[float]) -> list[int] | None:
    """For each number of ``wanted``, the index of a number of ``given``, in increasing order, as close as possible.

    By dynamic programming over the sum of absolute differences. None if there are too few, or one is too far off.
    """
    if len(wanted) > len(given):
        return None
    best = [0.0] * (len(given) + 1)  # best[j]: the first i numbers are among the first j of `given`
    chosen: list[list[bool]] = []
    for want in wanted:
        row, taken = [float("inf")], [False]
        for place, give in enumerate(given):
            with_it, without = best[place] + abs(want - give), row[place]
            taken.append(with_it < without)
            row.append(min(with_it, without))
        best = row
        chosen.append(taken)
    indices: list[int] = []
    place = len(given)
    for taken in reversed(chosen):
        while not taken[place]:
            place -= 1
        place -= 1
        indices.append(place)
    indices.reverse()
    pairs = zip(wanted, (given[index] for index in indices), strict=True)
    close = (abs(want - give) <= TOLERANCE_NS + TOLERANCE * want for want, give in pairs)
    return indices if all(close) else None


def _between(begin: tuple[int, ...], end: tuple[int, ...]) -> InstructionCounts:
    return InstructionCounts(*(after - before for before, after in zip(begin[1:], end[1:], strict=True)))
