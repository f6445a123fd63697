"""Counts of an emulated board as tables for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from edgekit.console import print_table, warn
from edgekit.files import short_names
from edgekit.profiling.counts import CLASSES

if TYPE_CHECKING:
    from edgekit.profiling.emulate import CountProfile, CountResult

MAX_OPERATORS = 12
FIGURES = ("instructions", "size", "memory")


def show(result: CountResult) -> None:
    """Print what was counted, the change from the first file to the others, and what was found wrong."""
    title = f"One run on {result.device} (emulated: exact counts of one thread, no times)"
    names = short_names(model.file for model in result.models)
    named = [(names[model.file], model) for model in result.models]
    columns = ("file", "bytes", "instructions", "loads", "stores", "memory", "kernels", "runtime")
    print_table(title, columns, [(name, *_row(model)) for name, model in named])
    counted = [(name, model) for name, model in named if model.counts]
    if counted:
        classes = tuple(name.replace("_", " ") for name in CLASSES)
        print_table("Instructions by class", ("file", *classes), [(name, *_classes(model)) for name, model in counted])
    for name, model in counted:
        _show_operators(name, model)
    if len(result.models) > 1:
        _show_changes(result, names)
    for name, model in named:
        if model.finding:
            warn(f"{name} does not run on {result.device}: {model.finding}")
        elif model.missing:
            warn(f"{name}: no operators: {model.missing}.")


def _row(model: CountProfile) -> tuple[str, ...]:
    size = f"{model.size_bytes:,}"
    if model.counts is None:
        return (size, "does not run", *["–"] * 4, model.runtime)
    memory = "unknown" if model.heap_bytes is None else f"{model.heap_bytes / 1e6:.2f} MB"
    moved = (f"{model.counts.load_bytes / 1e6:.2f} MB", f"{model.counts.store_bytes / 1e6:.2f} MB")
    kernels = "dot product" if model.uses_dot_product else "no dot product"
    return (size, f"{model.counts.total:,}", *moved, memory, kernels, f"{model.runtime} {model.runtime_version}")


def _classes(model: CountProfile) -> tuple[str, ...]:
    return tuple(f"{getattr(model.counts, name):,}" for name in CLASSES)


def _show_operators(name: str, model: CountProfile) -> None:
    """The largest operators, and what is left of the whole run."""
    if not model.operators or not model.counts:
        return
    whole = model.counts.total
    sizes = [(operator, max(0, operator.counts.total - model.profiler_cost)) for operator in model.operators]
    largest = sorted(sizes, key=lambda pair: -pair[1])[:MAX_OPERATORS]
    rows = [(operator.name, operator.type, size) for operator, size in largest]
    rest = sum(size for _, size in sizes) - sum(size for _, size in largest)
    if len(sizes) > len(largest):
        rows.append((f"{len(sizes) - len(largest)} more", "", rest))
    rows.append(("between operators", "", max(0, whole - sum(size for _, size in sizes))))
    title = f"Operators of {name}"
    if model.profiler_cost:
        title += f" (less {model.profiler_cost:,} each, the cost of the runtime's profiler)"
    cells = [(label, kind, f"{size:,}", f"{size / whole:.1%}") for label, kind, size in rows]
    print_table(title, ("operator", "type", "instructions", "share"), cells)


def _show_changes(result: CountResult, names: Mapping[str, str]) -> None:
    first = names[result.models[0].file]
    rows = []
    for model, change in zip(result.models[1:], result.changes(), strict=True):
        cells = (f"{change[figure]:+.2%}" if figure in change else "–" for figure in FIGURES)
        rows.append((names[model.file], *cells))
    print_table(f"Change from {first}", ("file", *FIGURES), rows)
