"""``edgekit devices calibrate``: latency tables of a device by measuring small networks there for a few minutes.

Every network of ``probes`` is written in the forms that a runtime opens and measured as ``profile`` measures. The error
and the interval of a table come from predicting a tenth of these networks from the other nine, in turn.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.console import print_table, progress, warn
from edgekit.devices.cards import card_paths, user_folder
from edgekit.devices.device import Device, Job, open_device
from edgekit.devices.predicted.model import FINE, Array, LatencyTable, features, fit_rates, interval
from edgekit.devices.predicted.probes import probe_models
from edgekit.devices.predicted.tables import write_tables
from edgekit.devices.predicted.workload import Workload, read_layers, workload_of
from edgekit.errors import UsageError

if TYPE_CHECKING:
    from onnx import ModelProto

FORMS = (("litert", "float32"), ("litert", "int8"), ("ort", "float32"), ("ort", "int8"))
FOLDS = 10
RUNS = 20
SECONDS = 0.2
STRENGTH = 0.001
LIKE_REAL = "net-"
ACTIVATION_RANGE = (-4.0, 4.0)


@dataclass(frozen=True)
class ProbeFile:
    """A written probe, for one runtime and in one precision."""

    name: str
    runtime: str
    precision: str
    path: Path
    workload: Workload


@dataclass(frozen=True)
class CalibrateResult:
    """The tables that were written into a card, and the median latency of every probe file in nanoseconds."""

    device: str
    card: Path
    tables: tuple[LatencyTable, ...]
    probes: tuple[tuple[ProbeFile, float], ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        probes = [
            {
                "name": file.name,
                "runtime": file.runtime,
                "precision": file.precision,
                "macs": file.workload.macs,
                "latency_ns": latency,
            }
            for file, latency in self.probes
        ]
        tables = [table.to_dict() for table in self.tables]
        return {"device": self.device, "card": str(self.card), "tables": tables, "probes": probes}


def calibrate(device: str, threads: int = 1, name: str = "", runtimes: Sequence[str] = ()) -> CalibrateResult:
    """Measure the probes on a device and write a card with latency tables into the user's own folder.

    Args:
        device: as ``--device`` names it.
        threads: of the runtimes.
        name: of the card; ``NAME-calibrated`` if empty, so that ``cpu`` itself still measures.
        runtimes: those to calibrate; all that the device has if empty.

    Raises:
        UsageError: a name is unknown, the device has none of the runtimes, or an address has no name for its card.
        StorageError: the user's folder cannot be written.
    """
    name = name or f"{device}-calibrated"
    if "/" in name:
        raise UsageError(f"{device} is an address and its card needs a name; give one with --name.")
    forms = [form for form in FORMS if not runtimes or form[0] in runtimes]
    opened = open_device(device)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            measured = measure_probes(opened, write_probes(Path(scratch), forms), threads)
    finally:
        opened.close()
    tables = fit_tables(measured, threads)
    if not tables:
        raise UsageError(
            f"{device} has neither of {', '.join(sorted({form[0] for form in forms}))}; install one there."
        )
    path = user_folder() / f"{name}.toml"
    write_tables(path, _card_text(name), tables)
    return CalibrateResult(device, path, tables, measured)


def show(result: CalibrateResult) -> None:
    """Print the tables with their errors, and where they are."""
    rows = [
        (
            f"{table.runtime} {table.precision}",
            str(table.threads),
            str(table.rows),
            "–" if table.median_error is None else f"{table.median_error:.0%}",
            "–" if table.p90_error is None else f"{table.p90_error:.0%}",
            f"×{table.low:.2f}–{table.high:.2f}",
        )
        for table in result.tables
    ]
    head = ("runtime", "threads", "networks", "median error", "90% within", "90% interval")
    print_table(f"{result.device}, calibrated: errors on networks that were held out", head, rows)
    print(f"Written to {result.card}")


def write_probes(folder: Path, forms: Sequence[tuple[str, str]]) -> tuple[ProbeFile, ...]:
    """Write every probe in the forms (runtime, precision) that are asked for."""
    files = []
    models = list(probe_models())
    with progress("writing small networks", len(models)) as bar:
        for number, (name, model) in enumerate(models):
            bar.update(number, name)
            for (runtime, precision), data in _forms(model, forms):
                path = folder / f"{name}.{precision}{'.onnx' if runtime == 'ort' else '.tflite'}"
                path.write_bytes(data)
                workload = replace(workload_of(read_layers(str(path))), precision=precision)
                files.append(ProbeFile(name, runtime, precision, path, workload))
    return tuple(files)


def measure_probes(device: Device, files: Sequence[ProbeFile], threads: int) -> tuple[tuple[ProbeFile, float], ...]:
    """The median latency of each file in nanoseconds; files of a runtime that the device lacks are left out."""
    missing: set[str] = set()
    measured = []
    with progress(f"calibrating {device.name}", len(files)) as bar:
        for number, file in enumerate(files):
            bar.update(number, f"{file.runtime} {file.precision} {file.name}")
            if file.runtime in missing:
                continue
            job = Job("measure", file.runtime, file.path, threads, RUNS, SECONDS)
            try:
                samples = device.run(job, lambda share: None)["samples_ns"]
            except UsageError as exc:
                missing.add(file.runtime)
                warn(str(exc))
            else:
                measured.append((file, float(np.median(samples))))
    return tuple(measured)


def fit_tables(measured: Sequence[tuple[ProbeFile, float]], threads: int) -> tuple[LatencyTable, ...]:
    """A table for each runtime and precision that was measured."""
    tables = []
    for form in FORMS:
        found = [(file, latency) for file, latency in measured if (file.runtime, file.precision) == form]
        if len(found) < 2 * FOLDS:
            continue
        names = tuple(name for name in FINE if any(features(file.workload, (name,))[0] for file, _ in found))
        matrix = np.array([features(file.workload, names) for file, _ in found])
        times = np.array([latency for _, latency in found])
        ratios = times / _held_out(matrix, times)
        real = np.array([file.name.startswith(LIKE_REAL) for file, _ in found])
        errors = np.abs(1 / ratios[real] - 1)
        factor = interval(list(np.log(ratios[real])))
        rates = fit_rates(matrix, times, strength=STRENGTH)
        tables.append(
            LatencyTable(
                runtime=form[0],
                precision=form[1],
                threads=threads,
                coefficients={name: float(rate) for name, rate in zip(names, rates, strict=True)},
                fitted_on=f"{len(found)} small networks measured there",
                rows=len(found),
                families=len({file.name.split("-")[-1] for file, _ in found if file.name.startswith(LIKE_REAL)}),
                smallest=max(0.001, min(file.workload.macs for file, _ in found) / 1e6),
                largest=max(file.workload.macs for file, _ in found) / 1e6,
                median_error=float(np.median(errors)),
                p90_error=float(np.quantile(errors, 0.9)),
                low=1 / factor,
                high=factor,
            )
        )
    return tuple(tables)


def _held_out(matrix: Array, times: Array) -> Array:
    """The latency of each network as predicted from the nine tenths of the others that it is not among."""
    fold = np.arange(len(times)) % FOLDS
    predicted = np.empty(len(times))
    for number in range(FOLDS):
        out = fold == number
        predicted[out] = matrix[out] @ fit_rates(matrix[~out], times[~out], strength=STRENGTH)
    return np.maximum(predicted, 1.0)


def _forms(model: ModelProto, forms: Sequence[tuple[str, str]]) -> Iterator[tuple[tuple[str, str], bytes]]:
    """The bytes of a probe in each form. Its int8 scales are made up: they do not change what it costs."""
    from edgekit.artifact import InputContract, Metadata
    from edgekit.export.compact import compact
    from edgekit.export.tflite import lower
    from edgekit.graph.metadata import write_metadata
    from edgekit.graph.prepare import prepare
    from edgekit.quantize.plan import Plan
    from edgekit.quantize.qdq import insert_qdq
    from edgekit.quantize.scheme import affines, tie_groups

    ready = prepare(model, None)
    _, channels, height, width = (axis.dim_value for axis in ready.graph.input[0].type.tensor_type.shape.dim)
    groups = tie_groups(ready, InputContract(height, width, channels))
    plan = Plan(affines(groups, [ACTIVATION_RANGE] * len(groups)))
    for runtime, precision in forms:
        if precision == "float32":
            yield (runtime, precision), ready.SerializeToString() if runtime == "ort" else lower(ready, Metadata())
        elif runtime == "ort":
            quantized = compact(insert_qdq(ready, plan, activations="uint8"))
            # Described as EdgeKit's own, so that ONNX Runtime computes it as it does those.
            yield (runtime, precision), write_metadata(quantized, Metadata()).SerializeToString()
        else:
            yield (runtime, precision), lower(insert_qdq(ready, plan), Metadata())


def _card_text(name: str) -> str:
    """The card that the tables go into: the one of that name, or a new one."""
    if name in (paths := card_paths()):
        return paths[name].read_text(encoding="utf-8")
    return f'summary = "{name}, calibrated"\ndriver = "board"\n'
