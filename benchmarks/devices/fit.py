"""Latency tables of the boards' cards from published rows, with the error on networks whose family was held out.

    python benchmarks/devices/fit.py [--rows FILE] [--out DIR]

FILE has rows in the form of ``published_latency.csv`` beside this file, which are taken if none is named. DIR is where
the cards go; the user's own folder, whose cards stand in for EdgeKit's, if none is named.

The table with the most rows of an engine (library and precision) is fitted by itself. Every other one starts from its
rates, scaled to the few rows there are, and moves away from them as far as its own rows say.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from latency.published import Group, PublishedRow, grouped, published_rows
from latency.rebuild import rebuild

from edgekit.console import Table, print_part
from edgekit.devices.cards import card_paths, user_folder
from edgekit.devices.latency.model import GROUPED, Array, LatencyTable, features, fit_rates, interval
from edgekit.devices.latency.tables import write_tables

NAMES = tuple(GROUPED)
CARRIED = frozenset({"tflite"})
"""Libraries whose tables go into the cards; ncnn's rows judge the method, but EdgeKit writes no ncnn files."""
NEARNESS = 0.1
"""How strongly a table holds to the rates that it starts from; see ``fit_rates``."""
OWN_ROWS, OWN_FAMILIES = 30, 5
"""With so many held-out rows of so many families a table's interval comes from its own errors alone."""
SOME_ROWS = 10
CLOSE = 0.35

Rows = Mapping[Group, tuple[PublishedRow, ...]]


@dataclass(frozen=True)
class HeldOut:
    """A row, and what the model says of it that has seen no network of its family, on any board."""

    row: PublishedRow
    predicted_ms: float

    @property
    def error(self) -> float:
        """Relative error of the prediction, signed."""
        return self.predicted_ms / self.row.latency_ms - 1

    @property
    def log_error(self) -> float:
        """Log of actual over predicted."""
        return float(np.log(self.row.latency_ms / self.predicted_ms))


@dataclass(frozen=True)
class FitResult:
    """The tables of each board, and the held-out predictions behind their errors."""

    tables: Mapping[Group, LatencyTable]
    held_out: tuple[HeldOut, ...]
    covered: float
    untested: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "tables": [{"board": group.board, **table.to_dict()} for group, table in self.tables.items()],
            "held_out": [
                {**vars(item.row), "family": item.row.family, "predicted_ms": item.predicted_ms}
                for item in self.held_out
            ],
            **self.summary(),
        }

    def summary(self) -> dict[str, float]:
        """The figures over all held-out rows: how many, median error, share within 35%, share inside the interval."""
        errors = np.abs([item.error for item in self.held_out])
        return {
            "rows": len(errors),
            "untested_rows": self.untested,
            "median_error": float(np.median(errors)),
            "within_35_percent": float(np.mean(errors <= CLOSE)),
            "covered": self.covered,
        }


def fit(rows_file: Path | None = None, folder: Path | None = None) -> FitResult:
    """Fit all tables to the rows of a file and write them into the boards' cards in a folder; None as in the docstring.

    Raises:
        DataError: a row is wrong.
        StorageError: the folder cannot be written.
    """
    result = fit_published(published_rows(rows_file))
    for name, path in card_paths().items():
        tables = [table for group, table in result.tables.items() if group.board == name and group.library in CARRIED]
        if tables:
            write_tables((folder or user_folder()) / f"{name}.toml", path.read_text(encoding="utf-8"), tables)
    return result


def show(result: FitResult) -> None:
    """Print the tables with their held-out errors, and the figures over all of them."""
    rows = [
        (
            group.board,
            f"{table.runtime} {table.precision}",
            str(table.threads),
            f"{table.rows} ({table.families})",
            "–" if table.median_error is None else f"{table.median_error:.0%}",
            "–" if table.p90_error is None else f"{table.p90_error:.0%}",
            f"×{table.low:.2f}–{table.high:.2f}",
        )
        for group, table in result.tables.items()
    ]
    head = ("board", "runtime", "threads", "rows (families)", "median error", "90% within", "90% interval")
    print_part(Table("Latency tables, and their errors on networks whose family was held out", head, rows))
    figures = result.summary()
    print(
        f"{figures['rows']} held-out rows: median error {figures['median_error']:.1%}, "
        f"{figures['within_35_percent']:.1%} within 35%, {figures['covered']:.1%} inside their 90% interval; "
        f"{figures['untested_rows']} rows are the only family of their table and could not be held out."
    )


def fit_published(rows: Sequence[PublishedRow]) -> FitResult:
    """Fit every table that the rows make, and judge each with one family of networks left out at a time."""
    groups = grouped(tuple(rows))
    held_out = hold_out(groups)
    rates = fit_groups(groups)
    anchors = find_anchors(groups)
    tables = {}
    for group, mine in groups.items():
        errors = np.abs([item.error for item in held_out if item.row.group == group])
        factor = _factor(group, held_out)
        tables[group] = LatencyTable(
            runtime=group.runtime,
            precision=group.precision,
            threads=group.threads,
            coefficients={name: float(rate) for name, rate in zip(NAMES, rates[group], strict=True)},
            fitted_on=_origin(mine),
            rows=len(mine),
            families=_families(mine),
            smallest=min(_macs(row) for row in groups[anchors[group.engine]] + mine),
            largest=max(_macs(row) for row in groups[anchors[group.engine]] + mine),
            median_error=float(np.median(errors)) if len(errors) else None,
            p90_error=float(np.quantile(errors, 0.9)) if len(errors) else None,
            low=1 / factor,
            high=factor,
        )
    return FitResult(tables, held_out, _coverage(held_out), len(rows) - len(held_out))


def fit_groups(groups: Rows) -> dict[Group, Array]:
    """The rates of each table that has rows, in nanoseconds per unit of the features NAMES."""
    rates: dict[Group, Array] = {}
    for engine, anchor in find_anchors(groups).items():
        rates[anchor] = fit_rates(*_system(groups[anchor]))
        for group in groups:
            if group.engine == engine and group != anchor:
                matrix, times = _system(groups[group])
                scale = float(np.median(times / (matrix @ rates[anchor])))
                rates[group] = fit_rates(matrix, times, rates[anchor] * scale, NEARNESS)
    return rates


def find_anchors(groups: Rows) -> dict[tuple[str, str], Group]:
    """The table of each engine that the others start from: the one with the most rows of more than one family."""
    anchors: dict[tuple[str, str], Group] = {}
    for group in sorted(groups, key=lambda group: (_families(groups[group]) > 1, len(groups[group]))):
        anchors[group.engine] = group
    return anchors


def hold_out(groups: Rows) -> tuple[HeldOut, ...]:
    """Every row as predicted without its family; rows of tables that have no other family are left out."""
    found = []
    for family in sorted({row.family for rows in groups.values() for row in rows}):
        rest = {group: tuple(row for row in rows if row.family != family) for group, rows in groups.items()}
        rates = fit_groups({group: rows for group, rows in rest.items() if rows})
        for group, rows in groups.items():
            if group in rates:
                tested = [row for row in rows if row.family == family]
                found += [HeldOut(row, float(_vector(row) @ rates[group]) / 1e6) for row in tested]
    return tuple(found)


def _coverage(held_out: Sequence[HeldOut]) -> float:
    """The share of rows inside an interval that was made from other families' errors only."""
    inside = 0
    for family in {item.row.family for item in held_out}:
        others = [item for item in held_out if item.row.family != family]
        mine = [item for item in held_out if item.row.family == family]
        factors = {group: _factor(group, others) for group in {item.row.group for item in mine}}
        inside += sum(abs(item.log_error) <= float(np.log(factors[item.row.group])) for item in mine)
    return float(inside / len(held_out))


def _factor(group: Group, held_out: Sequence[HeldOut]) -> float:
    """The factor of a table's interval: from its own errors, or the larger of that and what its library's tables give.

    Tables with many rows are nearer to the truth than those with few, so they do not speak for these.
    """
    counts = Counter(item.row.group for item in held_out)
    own = [item for item in held_out if item.row.group == group]
    factor = interval([item.log_error for item in own]) if len(own) >= SOME_ROWS else 1.0
    if len(own) >= OWN_ROWS and _families([item.row for item in own]) >= OWN_FAMILIES:
        return factor
    library = [item for item in held_out if item.row.group.library == group.library]
    small = [item.log_error for item in library if counts[item.row.group] < OWN_ROWS]
    return max(factor, interval(small or [item.log_error for item in library]))


def _families(rows: Sequence[PublishedRow]) -> int:
    return len({row.family for row in rows})


def _macs(row: PublishedRow) -> float:
    return rebuild(row.network).macs / 1e6


def _vector(row: PublishedRow) -> Array:
    return _features(row.network)


@cache
def _features(network: str) -> Array:
    return features(rebuild(network), NAMES)


def _system(rows: Sequence[PublishedRow]) -> tuple[Array, Array]:
    return np.array([_vector(row) for row in rows]), np.array([row.latency_ms * 1e6 for row in rows])


def _origin(rows: Sequence[PublishedRow]) -> str:
    families = sorted({row.family for row in rows})
    versions = sorted({row.version for row in rows})
    return f"{len(rows)} published rows of {', '.join(families)}; {rows[0].runtime} {', '.join(versions)}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Fit the boards' latency tables to published rows.")
    parser.add_argument("--rows", type=Path, metavar="FILE")
    parser.add_argument("--out", type=Path, metavar="DIR")
    options = parser.parse_args()
    show(fit(options.rows, options.out))


if __name__ == "__main__":
    main()
