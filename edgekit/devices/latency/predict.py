"""The latency of a model file on a device, from the latency tables of the device's card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from edgekit.devices.cards import DeviceCard
from edgekit.devices.latency.model import LatencyTable, Prediction
from edgekit.devices.latency.workload import Workload, read_workload
from edgekit.errors import UsageError
from edgekit.runtimes import RUNTIMES

WAY_OUT = "measure there with --device ssh://user@host, or calibrate it with 'edgekit devices calibrate'"


def predict(
    path: Path, card: DeviceCard, runtime: str, shapes: Mapping[str, Sequence[int]] | None = None
) -> tuple[Prediction, ...]:
    """Predict one inference of an .onnx or .tflite file for every number of threads that is known, fewest first.

    Args:
        path: the file; it is read in a worker and never run.
        card: the device's card; its ``latency`` tables are used.
        runtime: a key of ``edgekit.runtimes.RUNTIMES``.
        shapes: sizes, by the input's name, that the file leaves open.

    Raises:
        UsageError: the card has no table for this runtime and precision, or only of networks of quite another size.
        ModelError: the file is broken, or holds what its shapes do not tell the cost of.
        RuntimeCrashError: the file made the worker that reads it crash or hang.
    """
    workload = read_workload(path, shapes)
    tables = find_tables(card, runtime, workload)
    if not tables[0].reaches(workload):
        known = f"{_number(tables[0].smallest)} to {_number(tables[0].largest)} million"
        raise UsageError(
            f"{path.name} takes {_number(workload.macs / 1e6)} million multiply-accumulates, far from the "
            f"{known} of the networks that are known on {card.name}; {WAY_OUT}."
        )
    return tuple(table.predict(workload) for table in tables)


def find_tables(card: DeviceCard, runtime: str, workload: Workload) -> tuple[LatencyTable, ...]:
    """The tables of a card that serve a runtime, its own and those of its kernels, in the precision of a workload.

    Raises:
        UsageError: there is none.
    """
    tables = [table for table in latency_tables(card) if table.runtime in (runtime, RUNTIMES[runtime].kernels)]
    if found := [table for table in tables if table.precision == workload.precision]:
        return tuple(sorted(found, key=lambda table: table.threads))
    others = " and ".join(sorted({table.precision for table in tables}))
    raise UsageError(
        f"{card.name} has no latency table for {RUNTIMES[runtime].title}, {workload.precision}: too few latencies are "
        f"published; {f'there is one for {others}, or ' if others else ''}{WAY_OUT}."
    )


def latency_tables(card: DeviceCard) -> tuple[LatencyTable, ...]:
    """The tables of a card.

    Raises:
        EdgekitError: one lacks a key or has a wrong value.
    """
    return tuple(LatencyTable.from_dict(table, f"devices/{card.name}.toml") for table in card.latency)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
