"""The latency of a model file on a device, from the latency tables of the device's card."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgekit.devices.cards import DeviceCard
from edgekit.devices.latency.model import LatencyTable, Prediction
from edgekit.devices.latency.workload import Workload, read_workload
from edgekit.errors import UsageError
from edgekit.runtimes import RUNTIMES


def predict_latency(path: Path, card: DeviceCard, runtime: str, threads: int = 1) -> Prediction:
    """Predict one inference of an .onnx or .tflite file.

    Args:
        path: the file; it is read in a worker and never run.
        card: the device's card; its ``latency`` tables are used.
        runtime: a key of ``edgekit.runtimes.RUNTIMES``.
        threads: of the runtime.

    Raises:
        UsageError: the card has no table for this runtime, precision and number of threads, or only one of networks
            of quite another size.
        ModelError: the file is broken, or holds what its shapes do not tell the cost of.
        RuntimeCrashError: the file made the worker that reads it crash or hang.
    """
    workload = read_workload(path)
    table = find_table(card, runtime, threads, workload)
    _require_reach(table, workload, path, card)
    return table.predict(workload)


def predict_all(path: Path, card: DeviceCard, runtime: str) -> tuple[Prediction, ...]:
    """Predict one inference of a file for every number of threads that the card has a table for, fewest first.

    Raises as ``predict_latency`` does.
    """
    workload = read_workload(path)
    tables = [table for table in tables_for(card, runtime) if table.precision == workload.precision]
    found = sorted(tables, key=lambda one: one.threads)
    if not found:
        find_table(card, runtime, 1, workload)
    _require_reach(found[0], workload, path, card)
    return tuple(table.predict(workload) for table in found)


def find_table(card: DeviceCard, runtime: str, threads: int, workload: Workload) -> LatencyTable:
    """The table of a card that serves a workload; raises UsageError if there is none."""
    tables = tables_for(card, runtime)
    for table in tables:
        if (table.precision, table.threads) == (workload.precision, threads):
            return table
    raise UsageError(
        f"{card.name} has no latency table for {RUNTIMES[runtime].title}, {workload.precision}, "
        f"{_threads(threads)}: too few latencies are published; {_choices(tables)}."
    )


def latency_tables(card: DeviceCard) -> tuple[LatencyTable, ...]:
    """The tables of a card.

    Raises:
        EdgekitError: one lacks a key or has a wrong value.
    """
    return tuple(LatencyTable.from_dict(table, f"devices/{card.name}.toml") for table in card.latency)


def tables_for(card: DeviceCard, runtime: str) -> tuple[LatencyTable, ...]:
    """The tables of a card that serve a runtime: its own, and those of its kernels."""
    return tuple(table for table in latency_tables(card) if table.runtime in (runtime, RUNTIMES[runtime].kernels))


def _require_reach(table: LatencyTable, workload: Workload, path: Path, card: DeviceCard) -> None:
    if not table.reaches(workload):
        known = f"{_number(table.smallest)} to {_number(table.largest)} million"
        raise UsageError(
            f"{path.name} takes {_number(workload.macs / 1e6)} million multiply-accumulates, far from the "
            f"{known} of the networks that are known on {card.name}; "
            "measure there with --device ssh://user@host, or calibrate it with 'edgekit devices calibrate'."
        )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _choices(tables: Sequence[LatencyTable]) -> str:
    if not tables:
        return "measure there with --device ssh://user@host, or calibrate it with 'edgekit devices calibrate'"
    return "there is one for " + "; ".join(f"{table.precision}, {_threads(table.threads)}" for table in tables)


def _threads(count: int) -> str:
    return f"{count} thread{'' if count == 1 else 's'}"
