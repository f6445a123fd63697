"""``edgekit devices calibrate``: latency tables of a device by measuring small networks there for a few minutes.

Every network of ``probes`` is written in the forms that a runtime opens and measured as ``profile`` measures: as a
whole, and where the runtime runs its operators in the file's order, each matrix product too, as its profiler sees it.
The error and the interval of a table come from predicting the networks of each style from those of all others.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgekit.console import Part, Table, progress, warn
from edgekit.devices.cards import card_paths, user_folder
from edgekit.devices.device import Can, Device, Job, open_device
from edgekit.devices.latency.model import COVERAGE, MEASURED, Array, LatencyTable, features, fit_rates
from edgekit.devices.latency.tables import write_tables
from edgekit.devices.latency.workload import BEYOND, Layer, Workload, read_layers, workload_of
from edgekit.errors import RuntimeCrashError, UnknownNameError, UsageError
from edgekit.options import MOST_THREADS, Options, argument, names, option
from edgekit.profiling.probes import probe_models
from edgekit.profiling.records import OperatorProfile
from edgekit.result import Result

if TYPE_CHECKING:
    from onnx import ModelProto

    from edgekit.quantization.plan import Plan

FORMS = (("litert", "float32"), ("litert", "int8"), ("ort", "float32"), ("ort", "int8"))
IN_ORDER = frozenset({"litert"})
"""Runtimes whose operators are told from each other by their order; ONNX Runtime computes shortcuts when it likes."""
PRODUCTS = ("Convolution", "Fully Connected", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
"""How LiteRT's operators that are matrix products begin, in XNNPACK and without."""
WORTH = 2.0
"""How much the error of a product's share counts beside that of its network's time."""
FEWEST = 20
"""Networks that a table takes."""
RUNS = 20
SECONDS = 0.2
STRENGTH = 0.001
LIKE_REAL = "net-"
DISTURBED = 1.1
"""A probe that takes so many times as long as the others let expect is measured again."""
QUIET = 0.1
"""The share of a probe's runs that is taken for undisturbed: its time is the longest of these."""
LARGEST = 4.0
"""Of the activations in int8 probes; it does not change what they cost."""


@dataclass(frozen=True)
class CalibrateOptions(Options):
    """What to calibrate."""

    device: str = argument("A device that measures: cpu, or ssh://user@host.", metavar="DEVICE")
    threads: int = option("Threads of the runtimes.", 1, least=1, most=MOST_THREADS)
    name: str = option("Name of the card.", "", unset="NAME-calibrated")
    runtime: tuple[str, ...] = option("Runtimes, as in litert,ort.", (), metavar="NAMES", unset="both", read=names)


@dataclass(frozen=True)
class ProbeFile:
    """A written probe, for one runtime and in one precision."""

    name: str
    runtime: str
    precision: str
    path: Path
    workload: Workload


@dataclass(frozen=True)
class Measured:
    """A probe file with its latency where nothing disturbs it.

    ``shares``: of that time, the part of each matrix product, in order; empty where the runtime does not tell.
    """

    file: ProbeFile
    latency_ns: float
    shares: tuple[float, ...] = ()


@dataclass(frozen=True)
class CalibrateResult(Result):
    """The tables that were written into a card, and every probe file as it was measured."""

    device: str
    card: Path
    tables: tuple[LatencyTable, ...]
    probes: tuple[Measured, ...]

    def parts(self) -> Iterator[Part]:
        """The tables with their errors, and where they are."""
        rows: list[tuple[str, ...]] = []
        for table in self.tables:
            counts = (f"{table.runtime} {table.precision}", str(table.threads), str(table.rows))
            errors = ("–" if error is None else f"{error:.0%}" for error in (table.median_error, table.p90_error))
            rows.append((*counts, *errors, f"×{table.low:.2f}–{table.high:.2f}"))
        head = ("runtime", "threads", "networks", "median error", "90% within", "90% interval")
        yield Table(f"{self.device}, calibrated: errors on networks that were held out", head, rows)
        yield f"Written to {self.card}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        probes = [
            {
                "name": probe.file.name,
                "runtime": probe.file.runtime,
                "precision": probe.file.precision,
                "macs": probe.file.workload.macs,
                "latency_ns": probe.latency_ns,
            }
            for probe in self.probes
        ]
        tables = [table.to_dict() for table in self.tables]
        return {"device": self.device, "card": str(self.card), "tables": tables, "probes": probes}


def calibrate(options: CalibrateOptions) -> CalibrateResult:
    """Measure the probes on a device and write a card with latency tables into the user's own folder.

    The card gets a name of its own, so that ``cpu`` itself still measures.

    Raises:
        UnknownNameError: a runtime is none that is calibrated.
        UsageError: the device is unknown or cannot be calibrated, it has none of the runtimes, or the card has no name
            that a file can have.
        StorageError: the user's folder cannot be written.
    """
    device, threads, runtimes = options.device, options.threads, options.runtime
    opened = open_device(device)
    if Can.CALIBRATE not in opened.can:
        raise UsageError(f"{device} cannot be calibrated; name cpu, or a device as in ssh://pi@kitchen.")
    if "/" in options.name:
        raise UsageError(f"--name {options.name} cannot name a card, which is a file; leave out the '/'.")
    name = options.name or f"{device}-calibrated"
    if "/" in name:
        raise UsageError(f"{device} is an address and its card needs a name; give one with --name.")
    known = {form[0] for form in FORMS}
    if unknown := [runtime for runtime in runtimes if runtime not in known]:
        raise UnknownNameError("runtime that is calibrated", unknown[0], known)
    forms = [form for form in FORMS if not runtimes or form[0] in runtimes]
    with closing(opened), tempfile.TemporaryDirectory() as scratch:
        measured = measure_probes(opened, write_probes(Path(scratch), forms), threads)
        measured = measure_again(opened, measured, threads)
    tables = fit_tables(measured, threads)
    if not tables:
        raise UsageError(f"{device} has no {' or '.join(sorted({form[0] for form in forms}))}; install one there.")
    path = user_folder() / f"{name}.toml"
    write_tables(path, _card_text(name), tables)
    return CalibrateResult(device, path, tables, measured)


def write_probes(folder: Path, forms: Sequence[tuple[str, str]]) -> tuple[ProbeFile, ...]:
    """Write every probe in the forms (runtime, precision) that are asked for."""
    files = []
    models = list(probe_models())
    with progress("writing small networks", len(models)) as bar:
        for number, (name, model) in enumerate(models):
            bar.update(number, name)
            for (runtime, precision), data in forms_of(model, forms):
                path = folder / f"{name}.{precision}{'.onnx' if runtime == 'ort' else '.tflite'}"
                path.write_bytes(data)
                workload = replace(workload_of(read_layers(str(path))), precision=precision)
                files.append(ProbeFile(name, runtime, precision, path, workload))
    return tuple(files)


def measure_probes(device: Device, files: Sequence[ProbeFile], threads: int) -> tuple[Measured, ...]:
    """Each file measured; those of a runtime that the device lacks are left out."""
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
                shares = _shares(device, job) if file.runtime in IN_ORDER else ()
            except UsageError as exc:
                missing.add(file.runtime)
                warn(str(exc))
                continue
            except RuntimeCrashError as exc:  # the others tell enough
                warn(str(exc))
                continue
            finally:
                device.forget(file.path)
            measured.append(Measured(file, float(np.quantile(samples, QUIET)), shares))
    return tuple(measured)


def _shares(device: Device, job: Job) -> tuple[float, ...]:
    """The share of each matrix product in a file's time, in order; none where the profiler fails."""
    answer = device.run(replace(job, task="operators"), lambda share: None)
    if "operators" not in answer:
        return ()
    profile = OperatorProfile.from_dict(answer)
    return tuple(one.mean_ns / profile.total_ns for one in profile.operators if one.type.startswith(PRODUCTS))


def measure_again(device: Device, measured: Sequence[Measured], threads: int) -> tuple[Measured, ...]:
    """Measure what took far longer than the others let expect a second time, and keep the shorter of the two.

    Whatever else a machine does meanwhile can only add time.
    """
    suspects = [
        probe.file
        for found in _by_form(measured)
        for probe, ratio in zip(found, _ratios(found), strict=True)
        if ratio > DISTURBED
    ]
    again = {probe.file.path: probe for probe in measure_probes(device, suspects, threads)}
    pairs = ((probe, again.get(probe.file.path, probe)) for probe in measured)
    return tuple(min(pair, key=lambda probe: probe.latency_ns) for pair in pairs)


def fit_tables(measured: Sequence[Measured], threads: int) -> tuple[LatencyTable, ...]:
    """A table for each runtime and precision that was measured."""
    tables = []
    for found in _by_form(measured):
        form = (found[0].file.runtime, found[0].file.precision)
        ratios = _ratios(found)
        real = np.array([probe.file.name.startswith(LIKE_REAL) for probe in found])
        errors = np.abs(1 / ratios[real] - 1)
        factor = _interval(ratios, [_style(probe.file) for probe in found])
        names, equations = _problem(found)
        rates = equations.rates()
        tables.append(
            LatencyTable(
                runtime=form[0],
                precision=form[1],
                threads=threads,
                coefficients={name: float(rate) for name, rate in zip(names, rates, strict=True)},
                fitted_on=f"{len(found)} small networks measured there",
                rows=len(found),
                families=len({_style(probe.file) for probe in found}) - 1,
                median_error=float(np.median(errors)),
                p90_error=float(np.quantile(errors, 0.9)),
                low=1 / factor,
                high=factor,
            )
        )
    return tuple(tables)


@dataclass(frozen=True)
class _Equations:
    """What rates are fitted to, a row each: a network, the first of all, or one of its matrix products.

    ``matrix`` [rows, features]; ``times`` [rows] of the row's network; ``share`` [rows] is the part of it that the row
    takes, of a product times WORTH, as its features are; ``owner`` [rows] is the network's number.
    """

    matrix: Array
    times: Array
    share: Array
    owner: NDArray[np.int64]

    def rates(self, kept: NDArray[np.bool_] | None = None) -> Array:
        """Fitted to all networks, or to those that are kept."""
        rows = slice(None) if kept is None else kept[self.owner]
        return fit_rates(self.matrix[rows], self.times[rows], strength=STRENGTH, share=self.share[rows])


def _by_form(measured: Sequence[Measured]) -> list[list[Measured]]:
    """What was measured of each runtime and precision, where that is enough for a table."""
    forms = ([one for one in measured if (one.file.runtime, one.file.precision) == form] for form in FORMS)
    return [found for found in forms if len(found) >= FEWEST]


def _problem(found: Sequence[Measured]) -> tuple[tuple[str, ...], _Equations]:
    """The features that occur, and the equations of these networks."""
    names = tuple(name for name in MEASURED if any(features(probe.file.workload, (name,))[0] for probe in found))
    rows = [features(probe.file.workload, names) for probe in found]
    share, owner = [1.0] * len(found), list(range(len(found)))
    of_layers = np.array([name != "constant" for name in names]) * WORTH
    for number, probe in enumerate(found):
        products = [layer for layer in probe.file.workload.layers if layer.macs]
        if len(products) == len(probe.shares):
            rows += [_of_layer(probe.file.workload, layer, names, rows[number]) * of_layers for layer in products]
            share += [part * WORTH for part in probe.shares]
            owner += [number] * len(products)
    times = np.array([found[number].latency_ns for number in owner])
    return names, _Equations(np.array(rows), times, np.array(share), np.array(owner))


def _of_layer(workload: Workload, layer: Layer, names: tuple[str, ...], whole: Array) -> Array:
    """The features of a layer in its network, whose are ``whole``: of weights that no cache holds, its own."""
    alone = features(replace(workload, layers=(layer,)), names)
    return np.where(np.isin(names, list(BEYOND)), whole * layer.weights / max(1, workload.weights), alone)


def _ratios(found: Sequence[Measured]) -> Array:
    """Each latency over what the networks of all other styles let expect."""
    _, equations = _problem(found)
    styles = np.array([_style(probe.file) for probe in found])
    matrix, times = equations.matrix[: len(found)], equations.times[: len(found)]
    expected = np.empty(len(found))
    for style in set(styles):
        out = styles == style
        expected[out] = matrix[out] @ equations.rates(~out)
    return np.asarray(times / np.maximum(expected, 1.0))


def _interval(ratios: Array, styles: Sequence[str]) -> float:
    """The factor within which COVERAGE of the networks of every style lie, also of the one that is predicted worst.

    Who asks for a prediction has a network of yet another style: what is exchangeable are styles, not networks (Dunn,
    Wasserman, Ramdas, Distribution-Free Prediction Sets for Two-Layer Hierarchical Models, 2023).
    """
    errors = np.abs(np.log(ratios))
    belongs = np.array(styles)
    worst = max(float(np.quantile(errors[belongs == style], COVERAGE)) for style in set(styles) - {""})
    return float(np.exp(worst))


def _style(file: ProbeFile) -> str:
    """What a probe is alike; those of one kind of layer are one style."""
    return file.name.rpartition("-")[-1] if file.name.startswith(LIKE_REAL) else ""


def int8_plan(ready: ModelProto) -> Plan:
    """How a prepared network of an image is stored in 8 bits; its ranges are made up and change nothing of its cost."""
    from edgekit.data.intake import Pictures
    from edgekit.inputs.contract import InputContract
    from edgekit.quantization.plan import Plan
    from edgekit.quantization.tensor_groups import affines, tie_groups

    _, channels, height, width = (axis.dim_value for axis in ready.graph.input[0].type.tensor_type.shape.dim)
    groups = tie_groups(ready, Pictures(InputContract(height, width, channels)))
    positive = {node.output[0] for node in ready.graph.node if node.op_type in ("Relu", "Clip")}
    # A range from 0 on makes a ReLU part of its quantization, as in every real file.
    ranges = [(0.0, LARGEST) if positive.intersection(group.tensors) else (-LARGEST, LARGEST) for group in groups]
    return Plan(affines(groups, ranges))


def forms_of(model: ModelProto, forms: Sequence[tuple[str, str]]) -> Iterator[tuple[tuple[str, str], bytes]]:
    """The bytes of a probe in each form."""
    from edgekit.artifact import Metadata
    from edgekit.conversion.tflite import lower
    from edgekit.graph.metadata import write_metadata
    from edgekit.graph.prepare import prepare
    from edgekit.quantization.qdq import insert_qdq
    from edgekit.quantization.stem import fast_qdq

    ready = prepare(model, None)
    plan = int8_plan(ready)
    for runtime, precision in forms:
        if precision == "float32":
            yield (runtime, precision), ready.SerializeToString() if runtime == "ort" else lower(ready, Metadata())
        elif runtime == "ort":
            quantized = fast_qdq(ready, plan)
            # Described as EdgeKit's own, so that ONNX Runtime computes it as it does those.
            yield (runtime, precision), write_metadata(quantized, Metadata()).SerializeToString()
        else:
            yield (runtime, precision), lower(insert_qdq(ready, plan), Metadata())


def _card_text(name: str) -> str:
    """The card that the tables go into: the one of that name, or a new one."""
    if name in (paths := card_paths()):
        return paths[name].read_text(encoding="utf-8")
    return f'summary = "{name}, calibrated"\ndriver = "board"\n'
