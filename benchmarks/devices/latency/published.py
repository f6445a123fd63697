"""Latencies that others have published for boards, one row each with its source, and which tables they make."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from latency.rebuild import network_family

from edgekit.errors import DataError

FILE = Path(__file__).resolve().parents[1] / "published_latency.csv"


@dataclass(frozen=True)
class PublishedRow:
    """One published latency. ``threads`` are 4 where the source says no more than that all cores were used."""

    board: str
    clock_mhz: float
    runtime: str
    version: str
    precision: str
    threads: int
    network: str
    latency_ms: float
    source: str

    def __post_init__(self) -> None:
        if not self.latency_ms > 0 or self.threads < 1:
            raise ValueError(
                f"{self.network} on {self.board} cannot take {self.latency_ms} ms on {self.threads} threads"
            )

    @property
    def family(self) -> str:
        """The family of its network."""
        return network_family(self.network)

    @property
    def group(self) -> Group:
        """The table that it counts for."""
        return Group(self.board, self.runtime, self.precision, self.threads)


@dataclass(frozen=True, order=True)
class Group:
    """What one latency table is for."""

    board: str
    runtime: str
    precision: str
    threads: int

    @property
    def library(self) -> str:
        """The runtime without the choice of its kernels: ``tflite`` of ``tflite-xnnpack``."""
        return self.runtime.partition("-")[0]

    @property
    def engine(self) -> tuple[str, str]:
        """What groups have in common whose networks' costs stand in similar proportions: library and precision."""
        return self.library, self.precision


@cache
def published_rows(path: Path | None = None) -> tuple[PublishedRow, ...]:
    """The rows of ``benchmarks/devices/published_latency.csv``, or of another file of that form.

    Raises:
        DataError: a row lacks a column or has a wrong value.
    """
    path = path or FILE
    rows = []
    with path.open(encoding="utf-8", newline="") as stream:
        for number, row in enumerate(csv.DictReader(stream), start=2):
            try:
                rows.append(_row(row))
            except (KeyError, TypeError, ValueError) as exc:
                raise DataError(f"{path}, line {number}: {exc}; correct the row.") from exc
    return tuple(rows)


def grouped(rows: tuple[PublishedRow, ...]) -> Mapping[Group, tuple[PublishedRow, ...]]:
    """The rows of each table."""
    groups: dict[Group, list[PublishedRow]] = defaultdict(list)
    for row in rows:
        groups[row.group].append(row)
    return {group: tuple(groups[group]) for group in sorted(groups)}


def _row(row: Mapping[str, str]) -> PublishedRow:
    return PublishedRow(
        board=row["board"],
        clock_mhz=float(row["clock_mhz"]),
        runtime=row["runtime"],
        version=row["version"],
        precision=row["precision"],
        threads=int(row["threads"]),
        network=row["network"],
        latency_ms=float(row["latency_ms"]),
        source=row["source"],
    )
