"""A profile as tables for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgekit.console import print_table, warn
from edgekit.files import short_names
from edgekit.profiling.records import LatencyRatio, ModelProfile, OperatorProfile, ProfileResult
from edgekit.profiling.statistics import LatencyStatistics

MAX_OPERATORS = 12
FILE = ("file", "bytes", "weights", "overhead", "cold load", "warm load", "first run")
LATENCY = ("file", "p50", "95% interval", "min", "p90", "p99", "max", "outliers", "n", "per s")
MEMORY = ("file", "peak", "runtime alone", "model", "TFLite Micro arena")
RATIO = ("file", "runtime", "times as long as", "ratio", "95% interval", "")
CONTEXT = ("file", "runtime", "threads", "on cores", "cpu", "usable cores", "governor", "clock", "temperature")


def show(result: ProfileResult) -> None:
    """Print what was measured, on what, and what casts doubt on it."""
    place = f"on {result.device} ({result.provenance})"
    names = short_names(model.file for model in result.models)
    named = [(names[model.file], model) for model in result.models]
    print_table(f"File and start {place}", FILE, [(name, *_file_row(model)) for name, model in named])
    print_table(f"Latency {place}", LATENCY, [(name, *_latency_row(model)) for name, model in named])
    if result.ratios:
        print_table(f"Taking turns {place}", RATIO, [_ratio_row(ratio, names) for ratio in result.ratios])
    print_table("Memory", MEMORY, [(name, *_memory_row(model)) for name, model in named])
    for name, model in named:
        if model.operators is not None:
            _show_operators(name, model.operators)
    print_table("Context", CONTEXT, [(name, *_context_row(model)) for name, model in named])
    for name, model in named:
        _warn(name, model)
    if result.no_ratios:
        warn(f"the files were not compared: {result.no_ratios}")


def duration(nanoseconds: float) -> str:
    """A time with three significant digits and the unit that fits."""
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        value = float(f"{nanoseconds / size:.3g}")  # rounded first, so that 999.6 µs becomes 1 ms
        if value >= 1 or unit == "µs":
            break
    return f"{value:.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"


def _file_row(model: ModelProfile) -> tuple[str, ...]:
    size, load = model.contents, model.load
    counts = (f"{size.file_bytes:,}", f"{size.weight_bytes:,}", f"{size.overhead_bytes:,}")
    return (*counts, *map(duration, (load.cold_ns, load.warm_ns, model.first_ns)))


def _latency_row(model: ModelProfile) -> tuple[str, ...]:
    latency = model.latency
    tail = map(duration, (latency.min_ns, latency.p90_ns, latency.p99_ns, latency.max_ns))
    outliers = f"{latency.outliers:,} ({latency.outliers / latency.n:.1%})"
    counts = (outliers, f"{latency.n:,}", f"{latency.per_second:,.0f}")
    return (duration(latency.p50_ns), _interval(latency), *tail, *counts)


def _ratio_row(ratio: LatencyRatio, names: Mapping[str, str]) -> tuple[str, ...]:
    reference = f"{names[ratio.reference]} ({ratio.reference_runtime})"
    interval = f"{ratio.low:.3f} – {ratio.high:.3f}"
    verdict = ("faster" if ratio.ratio < 1 else "slower") if ratio.differs else "no difference seen"
    return (names[ratio.file], ratio.runtime, reference, f"{ratio.ratio:.3f}", interval, verdict)


def _interval(latency: LatencyStatistics) -> str:
    return f"{duration(latency.p50_low_ns)} – {duration(latency.p50_high_ns)}"


def _memory_row(model: ModelProfile) -> tuple[str, ...]:
    memory = model.memory
    measured = (memory.peak_bytes, memory.baseline_bytes, memory.model_bytes)
    arena = f"{model.arena.arena_bytes:,} B" if model.arena else "–"
    return (*("unknown" if item is None else f"{item / 1e6:.1f} MB" for item in measured), arena)


def _show_operators(name: str, profile: OperatorProfile) -> None:
    """The slowest operators, and what is left."""
    slowest = sorted(profile.operators, key=lambda operator: -operator.mean_ns)[:MAX_OPERATORS]
    shown = sum(operator.mean_ns for operator in slowest)
    rows = [(operator.name, operator.type, operator.mean_ns) for operator in slowest]
    if len(profile.operators) > len(slowest):
        rows.append((f"{len(profile.operators) - len(slowest)} more", "", profile.sum_ns - shown))
    rows.append(("all operators", "", profile.sum_ns))
    rows.append(("a run without the profiler", "", profile.total_ns))
    seen = f"which saw {duration(profile.profiled_ns)}"
    title = f"Operators of {name} ({profile.runs:,} runs under the runtime's profiler, {seen}; its own cost taken off)"
    total = max(profile.total_ns, 1.0)
    cells = [(label, kind, duration(time), f"{time / total:.1%}") for label, kind, time in rows]
    print_table(title, ("operator", "type", "time", "share"), cells)


def _context_row(model: ModelProfile) -> tuple[str, ...]:
    machine = model.machine
    runtime = f"{model.runtime} {model.runtime_version}"
    cores = str(machine["usable_cores"])
    kept = machine["cores_kept_to"]
    return (
        runtime,
        str(model.threads),
        "any" if kept is None else ",".join(map(str, kept)),
        machine["cpu"],
        cores,
        machine["governor"] or "unknown",
        _change(machine, "clock_mhz", "MHz"),
        _change(machine, "temperature_c", "°C"),
    )


def _change(machine: Mapping[str, Any], key: str, unit: str) -> str:
    """A fact before and after the measuring, as far as the machine tells."""
    known = [f"{machine[name]:.0f}" for name in (key, f"{key}_after") if machine.get(name) is not None]
    return f"{' → '.join(dict.fromkeys(known))} {unit}" if known else "unknown"


def _warn(name: str, model: ModelProfile) -> None:
    for part, reason in model.missing.items():
        warn(f"{name}: no {part}: {reason}.")
    for warning in model.warnings:
        warn(f"{name}: {warning.text}; {warning.remedy}.")
