"""A profile as tables for a person."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from edgekit.console import Part, Table, Warn, counted, duration
from edgekit.devices.latency.model import COVERAGE, Prediction
from edgekit.files import short_names
from edgekit.profiling.counts import CLASSES, OperatorCount
from edgekit.profiling.records import (
    Counting,
    DeviceProfile,
    LatencyRatio,
    ModelProfile,
    OperatorProfile,
    ProfileResult,
    Timing,
)
from edgekit.profiling.statistics import LatencyStatistics

MAX_OPERATORS = 12
Cost = tuple[str, str, float]
"""An operator's name and type, and what it costs."""
FILE = ("file", "bytes", "weights", "overhead", "cold load", "warm load", "first run")
LATENCY = ("file", "p50", "95% interval", "min", "p90", "p99", "max", "outliers", "n", "per s")
MEMORY = ("file", "peak", "runtime alone", "model", "TFLite Micro arena")
RATIO = ("file", "runtime", "times as long as", "ratio", "95% interval", "")
CONTEXT = ("file", "runtime", "threads", "on cores", "cpu", "usable cores", "governor", "clock", "temperature")
PREDICTED = ("file", "threads", "latency", "fitted on")
UNTESTED = "none of its kind"
COUNTED = ("file", "bytes", "instructions", "loads", "stores", "memory", "kernels", "runtime")
CHANGED = ("instructions", "size", "memory")
SIDE_BY_SIDE = ("device", "file", "threads", "latency", "which is")


def parts(result: ProfileResult) -> Iterator[Part]:
    """What each device gave, and what casts doubt on it; of several devices also the latencies side by side."""
    for device in result.devices:
        if device.error:
            yield Warn(f"{device.device}: {device.error}")
        else:
            yield from _show_device(device)
    rows = [row for device in result.devices for row in _latencies(device)]
    if len(result.devices) > 1 and rows:
        yield Table("Side by side", SIDE_BY_SIDE, rows)


def _named(device: DeviceProfile) -> list[tuple[str, ModelProfile]]:
    names = short_names(model.file for model in device.models)
    return [(names[model.file], model) for model in device.models]


def _show_device(device: DeviceProfile) -> Iterator[Part]:
    named = _named(device)
    predicted = [(name, one) for name, model in named for one in model.predictions]
    if predicted:
        title = (
            f"Latency on {device.device} as it is predicted, with the interval that {COVERAGE:.0%} of networks keep to"
        )
        yield Table(
            title, PREDICTED, [(name, str(one.table.threads), str(one), _basis(one)) for name, one in predicted]
        )
    if names := " and ".join(dict.fromkeys(name for name, one in predicted if one.is_counted)):
        yield f"The instructions of {names} were counted, not expected of layers."
    for text in dict.fromkeys(one.table.fitted_on for _, one in predicted if one.table.median_error is None):
        yield f"{UNTESTED}: fitted on {text}, and not tested there."
    for name, remark in dict.fromkeys((name, one.remark) for name, one in predicted if one.remark):
        yield f"{name} {remark}."
    for text in dict.fromkeys(model.missing["predictions"] for _, model in named if "predictions" in model.missing):
        yield f"Not predicted: {text}."
    if any(model.counting or model.finding for _, model in named):
        yield from _show_counts(device, named)
    if device.uncounted:
        yield f"Not emulated: {device.uncounted}"
    timed = [(name, model, model.timing) for name, model in named if model.timing]
    if timed:
        yield from _show_times(device, timed)
    for name, model in named:
        if model.finding:
            yield Warn(f"{name} does not run on {device.device}: {model.finding}")
        for part in ("operators", "arena"):
            if part in model.missing:
                yield Warn(f"{name}: no {part}: {model.missing[part]}.")
        for warning in model.timing.warnings if model.timing else ():
            yield Warn(f"{name}: {warning.text}; {warning.remedy}.")
    if device.no_ratios:
        yield Warn(f"the files were not compared: {device.no_ratios}")


def _latencies(device: DeviceProfile) -> list[tuple[str, ...]]:
    """A line of the common table for each latency that is known."""
    rows: list[tuple[str, ...]] = []
    for name, model in _named(device):
        if timing := model.timing:
            cells = (str(timing.threads), duration(timing.latency.p50_ns), f"{timing.provenance}, p50")
            rows.append((device.device, name, *cells))
        for one in model.predictions:
            rows.append((device.device, name, str(one.table.threads), str(one), "predicted"))
    return rows


def _basis(prediction: Prediction) -> str:
    table = prediction.table
    if table.median_error is None:
        return UNTESTED
    families = "1 family" if table.families == 1 else f"{table.families} families"
    return f"{counted(table.rows, 'rows')} of {families}, median error {table.median_error:.0%}"


def _show_times(device: DeviceProfile, timed: Sequence[tuple[str, ModelProfile, Timing]]) -> Iterator[Part]:
    place = f"on {device.device} ({device.provenance})"
    names = short_names(model.file for _, model, _ in timed)
    yield Table(f"File and start {place}", FILE, [(name, *_file_row(model, timing)) for name, model, timing in timed])
    yield Table(f"Latency {place}", LATENCY, [(name, *_latency_row(timing.latency)) for name, _, timing in timed])
    if device.ratios:
        yield Table(f"Taking turns {place}", RATIO, [_ratio_row(ratio, names) for ratio in device.ratios])
    yield Table("Memory", MEMORY, [(name, *_memory_row(timing)) for name, _, timing in timed])
    for name, _, timing in timed:
        if timing.operators is not None:
            yield _show_operators(name, timing.operators)
    yield Table("Context", CONTEXT, [(name, *_context_row(model, timing)) for name, model, timing in timed])


def _file_row(model: ModelProfile, timing: Timing) -> tuple[str, ...]:
    size, load = model.contents, timing.load
    counts = (f"{size.file_bytes:,}", f"{size.weight_bytes:,}", f"{size.overhead_bytes:,}")
    return (*counts, *map(duration, (load.cold_ns, load.warm_ns, timing.first_ns)))


def _latency_row(latency: LatencyStatistics) -> tuple[str, ...]:
    tail = map(duration, (latency.min_ns, latency.p90_ns, latency.p99_ns, latency.max_ns))
    outliers = f"{latency.outliers:,} ({latency.outliers / latency.n:.1%})"
    counts = (outliers, f"{latency.n:,}", f"{latency.per_second:,.0f}")
    interval = f"{duration(latency.p50_low_ns)} – {duration(latency.p50_high_ns)}"
    return (duration(latency.p50_ns), interval, *tail, *counts)


def _ratio_row(ratio: LatencyRatio, names: Mapping[str, str]) -> tuple[str, ...]:
    reference = f"{names[ratio.reference]} ({ratio.reference_runtime})"
    interval = f"{ratio.low:.3f} – {ratio.high:.3f}"
    verdict = ("faster" if ratio.ratio < 1 else "slower") if ratio.differs else "no difference seen"
    return (names[ratio.file], ratio.runtime, reference, f"{ratio.ratio:.3f}", interval, verdict)


def _memory_row(timing: Timing) -> tuple[str, ...]:
    memory = timing.memory
    measured = (memory.peak_bytes, memory.baseline_bytes, memory.model_bytes)
    arena = f"{timing.arena.arena_bytes:,} B" if timing.arena else "–"
    return (*("unknown" if item is None else f"{item / 1e6:.1f} MB" for item in measured), arena)


def _show_operators(name: str, profile: OperatorProfile) -> Table:
    seen = f"{counted(profile.runs, 'runs')} under the runtime's profiler, which saw {duration(profile.profiled_ns)}"
    title = f"Operators of {name} ({seen}; its own cost taken off)"
    operators = [(operator.name, operator.type, operator.mean_ns) for operator in profile.operators]
    whole = [("all operators", "", profile.sum_ns), ("a run without the profiler", "", profile.total_ns)]
    return _shares(title, "time", duration, operators, whole, max(profile.total_ns, 1.0))


def _shares(
    title: str,
    unit: str,
    shown: Callable[[float], str],
    operators: Sequence[Cost],
    further: Sequence[Cost],
    whole: float,
) -> Table:
    """The most costly operators, what is left of them, and ``further`` rows, each with its share of ``whole``."""
    largest = sorted(operators, key=lambda operator: -operator[2])[:MAX_OPERATORS]
    rest = sum(size for _, _, size in operators) - sum(size for _, _, size in largest)
    more = [(f"{len(operators) - len(largest)} more", "", rest)] if len(operators) > len(largest) else []
    rows = [(label, kind, shown(size), f"{size / whole:.1%}") for label, kind, size in (*largest, *more, *further)]
    return Table(title, ("operator", "type", unit, "share"), rows)


def _context_row(model: ModelProfile, timing: Timing) -> tuple[str, ...]:
    machine = timing.machine
    kept = "any" if machine["cores_kept_to"] is None else ",".join(map(str, machine["cores_kept_to"]))
    ran = (f"{model.runtime} {model.runtime_version}", str(timing.threads), kept)
    processor = (machine["cpu"], str(machine["usable_cores"]), machine["governor"] or "unknown")
    return (*ran, *processor, _change(machine, "clock_mhz", "MHz"), _change(machine, "temperature_c", "°C"))


def _change(machine: Mapping[str, Any], key: str, unit: str) -> str:
    """A fact before and after the measuring, as far as the machine tells."""
    known = [f"{machine[name]:.0f}" for name in (key, f"{key}_after") if machine.get(name) is not None]
    return f"{' → '.join(dict.fromkeys(known))} {unit}" if known else "unknown"


def _show_counts(device: DeviceProfile, named: Sequence[tuple[str, ModelProfile]]) -> Iterator[Part]:
    """What was counted, and the change from the first file to the others."""
    title = f"One run on {device.device} (emulated: exact counts of one thread, no times)"
    yield Table(title, COUNTED, [(name, *_count_row(model)) for name, model in named])
    counted = [(name, model.counting) for name, model in named if model.counting]
    if counted:
        columns = ("file", *(name.replace("_", " ") for name in CLASSES))
        rows = [(name, *(f"{getattr(one.counts, kind):,}" for kind in CLASSES)) for name, one in counted]
        yield Table("Instructions by class", columns, rows)
    for name, one in counted:
        if one.operators:
            yield _show_counted_operators(name, one, one.operators)
    if changes := device.changes():
        rows = [
            (name, *(f"{change[figure]:+.2%}" if figure in change else "–" for figure in CHANGED))
            for (name, _), change in zip(named[1:], changes, strict=True)
        ]
        yield Table(f"Change from {named[0][0]}", ("file", *CHANGED), rows)


def _count_row(model: ModelProfile) -> tuple[str, ...]:
    size, counting = f"{model.contents.file_bytes:,}", model.counting
    if counting is None:
        return (size, "does not run", *["–"] * 4, model.runtime)
    memory = "unknown" if counting.heap_bytes is None else f"{counting.heap_bytes / 1e6:.2f} MB"
    moved = (f"{counting.counts.load_bytes / 1e6:.2f} MB", f"{counting.counts.store_bytes / 1e6:.2f} MB")
    kernels = "dot product" if counting.uses_dot_product else "no dot product"
    return (size, f"{counting.counts.total:,}", *moved, memory, kernels, f"{model.runtime} {model.runtime_version}")


def _show_counted_operators(name: str, counting: Counting, operators: Sequence[OperatorCount]) -> Table:
    cost, whole = counting.profiler_cost, counting.counts.total
    title = f"Operators of {name}"
    if cost:
        title += f" (less {cost:,} each, the cost of the runtime's profiler)"
    costs = [(operator.name, operator.type, max(0, operator.counts.total - cost)) for operator in operators]
    between = [("between operators", "", max(0, whole - sum(size for _, _, size in costs)))]
    return _shares(title, "instructions", "{:,}".format, costs, between, whole)
