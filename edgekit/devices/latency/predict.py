"""The latency of a model file on a device, from the latency tables of its card or of its processor's core."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from edgekit.devices.cards import DeviceCard
from edgekit.devices.latency.cores import core_tables, known_cores
from edgekit.devices.latency.model import LatencyTable, Prediction
from edgekit.devices.latency.workload import Workload, read_workload
from edgekit.errors import UsageError
from edgekit.runtimes import RUNTIMES

ATTENTION = (
    "multiplies by what is no constant, as attention does or a file whose weights are inputs; none of the networks "
    "did whose latency is known: the interval is not tested for it"
)
OLDER = (
    "is of the older uint8 quantization, which none of the networks had whose latency is known: the interval is not "
    "tested for it"
)
SMALL = "is smaller than any network whose latency is known: the interval is the model's own and not tested there"
MEASURING = "measure there with --device cpu or ssh://user@host"
CALIBRATING = ", or calibrate it with 'edgekit devices calibrate'"


def predict(
    path: Path,
    card: DeviceCard,
    runtime: str,
    shapes: Mapping[str, Sequence[int]] | None = None,
    clock_mhz: float | None = None,
) -> tuple[Prediction, ...]:
    """Predict one inference of an .onnx or .tflite file for every number of threads that is known, fewest first.

    Args:
        path: the file; it is read in a worker and never run.
        card: the device's card; its own ``latency`` tables are used, or else what is known of its core.
        runtime: a key of ``edgekit.runtimes.RUNTIMES``.
        shapes: sizes, by the input's name, that the file leaves open.
        clock_mhz: the processor's clock, if it is not that of the card.

    Raises:
        UsageError: there is no table for this runtime and precision, or none that could be had at another clock.
        ModelError: the file is broken, or holds what its shapes do not tell the cost of.
        RuntimeCrashError: the file made the worker that reads it crash or hang.
    """
    workload = read_workload(path, shapes)
    found = find_tables(at_clock(card, clock_mhz), runtime, workload)
    is_small = workload.macs < found[0].smallest * 1e6
    is_older = workload.precision == "uint8"
    remark = OLDER if is_older else ATTENTION if workload.attends else SMALL if is_small else ""
    return tuple(replace(table.predict(workload), remark=remark) for table in found)


def find_tables(card: DeviceCard, runtime: str, workload: Workload) -> tuple[LatencyTable, ...]:
    """The tables of a card that serve a runtime, its own and those of its kernels, in the precision of a workload.

    Raises:
        UsageError: there is none.
    """
    tables = [table for table in latency_tables(card) if table.runtime in (runtime, RUNTIMES[runtime].kernels)]
    if found := [table for table in tables if table.precision == workload.precision]:
        return tuple(sorted(found, key=lambda table: table.threads))
    others = " and ".join(sorted({table.precision for table in tables}))
    why = "it was neither measured nor counted there"
    if card.hardware and not latency_tables(card):
        why = f"nothing is known of its core {card.hardware.core}, but of {', '.join(known_cores())}"
    # No network that calibration measures is of the older quantization, or has weights of 4 bits.
    way_out = MEASURING if workload.precision in ("uint8", "int4") else MEASURING + CALIBRATING
    raise UsageError(
        f"{card.name} has no latency table for {RUNTIMES[runtime].title}, {workload.precision}: {why}; "
        f"{f'there is one for {others}, or ' if others else ''}{way_out}."
    )


def latency_tables(card: DeviceCard) -> tuple[LatencyTable, ...]:
    """The tables of a card, or if it has none those that its core, clock and memory make.

    Raises:
        EdgekitError: one lacks a key or has a wrong value.
    """
    if card.latency or card.hardware is None:
        return tuple(LatencyTable.from_dict(table, f"devices/{card.name}.toml") for table in card.latency)
    return core_tables(card.hardware)


def at_clock(card: DeviceCard, clock_mhz: float | None) -> DeviceCard:
    """The card with its processor at another clock; None leaves it as it is.

    Raises:
        UsageError: its latencies are known at one clock only.
    """
    if clock_mhz is None:
        return card
    if card.latency or card.hardware is None:
        raise UsageError(f"{card.name} is known at the clock that it was measured at; leave out --clock.")
    return replace(card, hardware=replace(card.hardware, clock_mhz=clock_mhz))
