"""What is known of the boards' cores, from counted instructions and published latencies, and how far it holds.

    python benchmarks/devices/fit.py [--rows FILE] [--out DIR]

FILE has rows in the form of ``published_latency.csv`` beside this file, which are taken if none is named. DIR is where
the cores' files go; ``devices/cores`` of the catalog, if none is named.

Instructions per unit of a layer are fitted to ``counts.json`` (``latency/instructions.py``), cycles to the rows of
TFLite (``latency/cycles.py``). The rows of each family of networks are then predicted by a fit to all others.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from latency.cycles import CYCLES, NOISE, Cell, Solution, solve
from latency.instructions import PRECISIONS, RUNTIMES, instructions
from latency.published import PublishedRow, published_rows
from latency.rebuild import rebuild

from edgekit.catalog import catalog_folder
from edgekit.console import Table, print_part
from edgekit.devices.cards import Hardware, device_card
from edgekit.devices.latency.cores import Kernels, Rates, core_file
from edgekit.devices.latency.model import COVERAGE, PARTS, Array, features, part_of
from edgekit.devices.latency.tables import toml_line
from edgekit.files import write_text

CORES = tuple(CYCLES)
THREADS = (1, 2, 3, 4)
CLOSE = 0.35
OWN_ROWS, OWN_FAMILIES = 30, 3
"""With so many held-out rows a core's intervals come from its own errors."""
MARK = "# Written by benchmarks/devices/fit.py; do not edit."


@dataclass(frozen=True)
class HeldOut:
    """A row, and what the model says of it that has seen no network of its family, on any board.

    ``deviation`` is that of the prediction's logarithm, as the model sees it.
    """

    row: PublishedRow
    predicted_ms: float
    deviation: float

    @property
    def error(self) -> float:
        """Relative error of the prediction, signed."""
        return self.predicted_ms / self.row.latency_ms - 1

    @property
    def score(self) -> float:
        """Log of actual over predicted, in deviations."""
        return float(np.log(self.row.latency_ms / self.predicted_ms)) / self.deviation


@dataclass(frozen=True)
class FitResult:
    """The kernels of each core, the held-out predictions behind their errors, and what of these is in the interval."""

    cores: Mapping[str, tuple[Kernels, ...]]
    held_out: tuple[HeldOut, ...]
    covered: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        rates = [
            {"core": core, "runtime": kernels.runtime, "precision": kernels.precision, **asdict(item)}
            for core, known in self.cores.items()
            for kernels in known
            for item in kernels.rates
        ]
        held_out = [
            {**asdict(item.row), "family": item.row.family, "predicted_ms": item.predicted_ms} for item in self.held_out
        ]
        return {"rates": rates, "held_out": held_out, **self.summary()}

    def summary(self) -> dict[str, float]:
        """The figures over all held-out rows: how many, median error, share within 35%, share inside the interval."""
        errors = np.abs([item.error for item in self.held_out])
        dotted = [abs(item.error) for item in self.held_out if is_dotted(cell_of(item.row))]
        return {
            "rows": len(errors),
            "median_error": float(np.median(errors)),
            "within_35_percent": float(np.mean(errors <= CLOSE)),
            "covered": self.covered,
            "median_error_pi_5_int8": float(np.median(dotted)) if dotted else float("nan"),
        }


def fit(rows_file: Path | None = None, folder: Path | None = None) -> FitResult:
    """Fit to the rows of a file and write the cores' files into a folder; None as in the docstring.

    Raises:
        DataError: a row is wrong.
        StorageError: the folder cannot be written.
    """
    result = fit_published(published_rows(rows_file))
    for core, known in result.cores.items():
        name = core_file(core).name
        write_text((folder or catalog_folder("devices") / "cores") / name, core_text(known))
    return result


def show(result: FitResult) -> None:
    """Print the errors of each runtime on each core, and the figures over all of them."""
    rows = [
        (core, kernels.runtime, kernels.precision, *_row(item))
        for core, known in result.cores.items()
        for kernels in known
        for item in kernels.rates
    ]
    head = ("core", "runtime", "precision", "threads", "rows (families)", "median error", "90% within", "cycles")
    print_part(Table("Errors on networks whose family was held out, and cycles of an instruction", head, rows))
    figures = result.summary()
    print(
        f"{figures['rows']} held-out rows: median error {figures['median_error']:.1%}, "
        f"{figures['within_35_percent']:.1%} within 35%, {figures['covered']:.1%} inside their 90% interval; "
        f"int8 on the Pi 5: median error {figures['median_error_pi_5_int8']:.1%}."
    )


def _row(rates: Rates) -> tuple[str, ...]:
    errors = ("–" if error is None else f"{error:.0%}" for error in (rates.median_error, rates.p90_error))
    return (str(rates.threads), f"{rates.rows} ({rates.families})", *errors, f"{rates.cycles['products']:.2f}")


def fit_published(rows: Sequence[PublishedRow]) -> FitResult:
    """Fit every core, and judge with one family of networks left out at a time. Rows of other runtimes are not used."""
    rows = [row for row in rows if row.runtime in RUNTIMES]
    held_out = hold_out(rows)
    wanted = [Cell(*key) for key in product(CORES, RUNTIMES, PRECISIONS, THREADS)]
    solution = solve([cell_of(row) for row in rows], costs_of(rows), _times(rows), wanted)
    known: dict[str, tuple[Kernels, ...]] = {}
    for core in CORES:
        quantile = scale_of(held_out, core)
        made = []
        for kernels in RUNTIMES:
            for precision in PRECISIONS:
                cells = [Cell(core, kernels, precision, count) for count in THREADS]
                rates = tuple(_rates(cell, solution, held_out, quantile) for cell in cells)
                made.append(Kernels(kernels, precision, instructions(core, kernels, precision), rates))
        known[core] = tuple(made)
    return FitResult(known, held_out, _coverage(held_out))


def hold_out(rows: Sequence[PublishedRow]) -> tuple[HeldOut, ...]:
    """Every row as predicted without its family."""
    costs, times, cells = costs_of(rows), _times(rows), [cell_of(row) for row in rows]
    families = np.array([row.family for row in rows])
    found = []
    for family in sorted(set(families)):
        inside = families != family
        solution = solve(
            [cell for cell, known in zip(cells, inside, strict=True) if known], costs[inside], times[inside], cells
        )
        for place in np.flatnonzero(~inside):
            rates, deviations = solution.rates(cells[place])
            parts = costs[place] * rates
            total = float(parts.sum())
            found.append(
                HeldOut(rows[place], total, float(np.hypot(NOISE, np.linalg.norm(parts / total * deviations))))
            )
    return tuple(found)


def scale_of(held_out: Sequence[HeldOut], core: str) -> float:
    """How many deviations COVERAGE of a core's held-out rows are within, or of all if the core has few.

    Each family counts alike, since a user's network is of yet another: conformal prediction with families for samples
    (Dunn, Wasserman, Ramdas, Distribution-Free Prediction Sets for Two-Layer Hierarchical Models, 2023).
    """
    mine = [item for item in held_out if cell_of(item.row).core == core]
    is_enough = len(mine) >= OWN_ROWS and len({item.row.family for item in mine}) >= OWN_FAMILIES
    return _quantile(mine if is_enough else held_out)


def _quantile(held_out: Sequence[HeldOut]) -> float:
    sizes = Counter(item.row.family for item in held_out)
    ordered = sorted(held_out, key=lambda item: abs(item.score))
    share = np.cumsum([1 / sizes[item.row.family] for item in ordered]) / len(sizes)
    return abs(ordered[int(np.searchsorted(share, COVERAGE))].score)


def cell_of(row: PublishedRow) -> Cell:
    """The rates that a row was measured with."""
    return Cell(hardware_of(row.board).core, row.runtime, row.precision, row.threads)


def is_dotted(cell: Cell) -> bool:
    """Whether its kernels multiply by dot products."""
    return cell.precision == "int8" and cell.core == "Cortex-A76"


def costs_of(rows: Sequence[PublishedRow]) -> Array:
    """What each row's network costs by PARTS, in milliseconds at a rate of 1, [rows, parts]."""
    return np.array([_costs(row.network, row.board, row.runtime, row.precision) for row in rows])


@cache
def _costs(network: str, board: str, kernels: str, precision: str) -> Array:
    hardware = hardware_of(board)
    unit = Rates(1, dict.fromkeys(PARTS, 1.0), {}, 1.0, "", 0, 0)
    table = Kernels(kernels, precision, instructions(hardware.core, kernels, precision), (unit,)).table(unit, hardware)
    names = tuple(table.coefficients)
    values = features(rebuild(network), names) * np.array([*table.coefficients.values()]) / 1e6
    return np.array([sum(values[place] for place, name in enumerate(names) if part_of(name) == part) for part in PARTS])


@cache
def hardware_of(board: str) -> Hardware:
    """What a board is made of. A Raspberry Pi 3B has no card: a 3B+ at another clock and with older memory.

    The clock is the card's: rows said to be of a Pi 4 at 1.8 GHz are as slow as those at 1.5 GHz.
    """
    if board == "raspberry-pi-3b":  # sources: benchmarks/devices/published_latency.csv, and sbc-bench, results/4hOP.txt
        return replace(hardware_of("raspberry-pi-3b-plus"), clock_mhz=1200, bandwidth_gbs=1.11)
    found = device_card(board).hardware
    assert found is not None
    return found


def _rates(cell: Cell, solution: Solution, held_out: Sequence[HeldOut], quantile: float) -> Rates:
    rates, deviations = solution.rates(cell)
    mine = [item for item in held_out if cell_of(item.row) == cell]
    errors = np.abs([item.error for item in mine])
    return Rates(
        threads=cell.threads,
        cycles={part: float(rate) for part, rate in zip(PARTS, rates, strict=True)},
        doubt={part: float(quantile * deviation) for part, deviation in zip(PARTS, deviations, strict=True)},
        spread=float(np.exp(quantile * NOISE)),
        fitted_on=_origin([item.row for item in mine]),
        rows=len(mine),
        families=len({item.row.family for item in mine}),
        smallest=min(rebuild(item.row.network).macs for item in held_out) / 1e6,
        median_error=float(np.median(errors)) if mine else None,
        p90_error=float(np.quantile(errors, COVERAGE)) if mine else None,
    )


def _coverage(held_out: Sequence[HeldOut]) -> float:
    """The share of rows inside an interval that was made from other families' errors only."""
    inside = 0
    for family in {item.row.family for item in held_out}:
        others = [item for item in held_out if item.row.family != family]
        scales = {core: scale_of(others, core) for core in CORES}
        mine = [item for item in held_out if item.row.family == family]
        inside += sum(abs(item.score) <= scales[cell_of(item.row).core] for item in mine)
    return inside / len(held_out)


def core_text(known: Sequence[Kernels]) -> str:
    """A core's file."""
    lines = [MARK]
    for kernels in known:
        lines += ["", "[[kernels]]", toml_line("runtime", kernels.runtime), toml_line("precision", kernels.precision)]
        lines.append(toml_line("instructions", kernels.instructions))
        for item in kernels.rates:
            lines += ["", "[[kernels.rates]]"]
            lines += [toml_line(key, value) for key, value in asdict(item).items() if value is not None]
    return "\n".join(lines) + "\n"


def _times(rows: Sequence[PublishedRow]) -> Array:
    return np.array([row.latency_ms for row in rows])


def _origin(rows: Sequence[PublishedRow]) -> str:
    if not rows:
        return "other runtimes, precisions and cores"
    families = sorted({row.family for row in rows})
    return f"{len(rows)} published rows of {', '.join(families)}; {', '.join(sorted({row.version for row in rows}))}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Fit what is known of the boards' cores to published rows.")
    parser.add_argument("--rows", type=Path, metavar="FILE")
    parser.add_argument("--out", type=Path, metavar="DIR")
    options = parser.parse_args()
    show(fit(options.rows, options.out))


if __name__ == "__main__":
    main()
