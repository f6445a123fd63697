"""The plots of the report. Each takes rows and returns one inline SVG; a model keeps its colour and mark in all."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgekit.report.markup import Html
from edgekit.report.record import Latency, ModelRow
from edgekit.report.svg import FAINT, INK, inline_svg, series, style
from edgekit.report.units import bytes_text, time_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from edgekit.training.loop import EpochMetrics

MARKS = {"o": "●", "s": "■", "D": "◆", "^": "▲", "v": "▼", "P": "✚", "X": "✖", "h": "⬢"}
"""A model's mark in the plots, by matplotlib's name, and the same in text."""
BINS = 140
SHOWN_SHARE = 0.995
MAX_CLASSES = 20
MAX_LABEL = 24
MAX_OPERATORS = 14
ROW_HEIGHT = 0.62

Floats = NDArray[np.float64]


def accuracy_against_size(models: Sequence[ModelRow]) -> Html:
    """Accuracy in percent, with its 95% interval, over the file's size in bytes (logarithmic)."""
    with _plot(3.7) as (figure, axes):
        for index, model in enumerate(models):
            reach = [[model.accuracy - model.interval[0]], [model.interval[1] - model.accuracy]]
            axes.errorbar(
                [model.file_bytes],
                [100 * model.accuracy],
                yerr=100 * np.array(reach),
                color=series(index),
                marker=mark(index),
                markersize=8,
                elinewidth=1.4,
                label=shorten(model.role),
            )
        sizes = [model.file_bytes for model in models]
        _log_axis(axes, min(sizes) / 1.6, max(sizes) * 1.6, bytes_text)
        axes.margins(y=0.15)
        bottom, top = axes.get_ylim()
        axes.set_ylim(max(bottom, -2), min(top, 102))
        axes.set_xlabel("size of the file (logarithmic)")
        axes.set_ylabel("test accuracy, % (bars: 95% interval)")
        figure.legend(loc="outside lower left", ncols=1 if len(models) < 3 else 2)
        return inline_svg(figure, "size", "Accuracy against file size, one mark per model")


def latency_distribution(models: Sequence[ModelRow]) -> Html:
    """A histogram of the raw samples per model on one logarithmic time axis, the median marked.

    Each histogram has its own height, so that areas compare within a row only. The slowest samples, beyond the
    SHOWN_SHARE quantile of their model, may lie outside the axis; how many do is written at its edge.
    """
    rows = [(index, model, model.latency) for index, model in enumerate(models) if model.latency is not None]
    samples = [np.asarray(latency.samples_ns, np.float64) for _, _, latency in rows]
    low = min(values.min() for values in samples) / 1.25
    high = max(float(np.quantile(values, SHOWN_SHARE)) for values in samples) * 1.5
    edges = np.geomspace(low, high, BINS + 1)
    with _plot(0.75 + 0.72 * len(rows)) as (figure, axes):
        _log_axis(axes, low, high, time_text)
        for place, ((index, _, latency), values) in enumerate(zip(rows, samples, strict=True)):
            _draw_row(axes, -place, latency, values, edges, series(index))
        labels = [f"{shorten(model.role)}\nn = {len(latency.samples_ns):,}" for _, model, latency in rows]
        axes.set_yticks([-place for place in range(len(rows))], labels)
        axes.set_ylim(-len(rows) + 0.9, 1.05)
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False, axis="y")
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("time of one inference (logarithmic)")
        return inline_svg(figure, "latency", "Distribution of the latency samples, one row per model")


def per_class_accuracy(models: Sequence[ModelRow], classes: Sequence[str]) -> Html:
    """Accuracy in percent of each class; of many classes the MAX_CLASSES on which the last model is weakest."""
    measured = [(index, model) for index, model in enumerate(models) if model.per_class]
    shown = classes_shown(models, classes)
    with _plot(1.3 + 0.27 * len(shown)) as (figure, axes):
        heights = -np.arange(len(shown))
        for place, (index, model) in enumerate(measured):
            # Side by side within the row, since equal accuracies would cover each other.
            offset = 0.5 * ((len(measured) - 1) / 2 - place) / max(1, len(measured))
            shares = [model.per_class[label] for label in shown]
            values = [np.nan if share is None else 100 * share for share in shares]
            label = shorten(model.role)
            axes.plot(values, heights + offset, mark(index), color=series(index), markersize=5.5, label=label)
        axes.set_yticks(heights, [shorten(classes[label]) for label in shown])
        axes.set_ylim(-len(shown) + 0.4, 0.6)
        axes.tick_params(axis="y", length=0)
        axes.margins(x=0.06)
        axes.set_xlabel("test accuracy of the class, %")
        axes.set_ylabel("class")
        figure.legend(loc="outside lower left", ncols=3)
        return inline_svg(figure, "classes", "Accuracy per class, one mark per model")


def operator_times(model: ModelRow, index: int) -> Html:
    """Mean time of each operator of one model in order of execution; of many the MAX_OPERATORS slowest."""
    order = sorted(range(len(model.operators)), key=lambda number: -model.operators[number][1])[:MAX_OPERATORS]
    shown = [model.operators[number] for number in sorted(order)]
    # Operators below the profiler's microsecond count as nothing.
    total = max(1.0, sum(nanoseconds for _, nanoseconds in model.operators))
    with _plot(0.75 + 0.27 * len(shown)) as (figure, axes):
        heights = -np.arange(len(shown))
        times = [nanoseconds / 1000 for _, nanoseconds in shown]
        axes.barh(heights, times, 0.62, color=series(index))
        for height, value in zip(heights, times, strict=True):
            text = f"{1000 * value / total:.0%}"
            axes.annotate(text, (value, height), (3, 0), textcoords="offset points", va="center", fontsize=8)
        axes.set_yticks(heights, [shorten(name, 2 * MAX_LABEL) for name, _ in shown])
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False, axis="y")
        axes.margins(x=0.1, y=0.02)
        axes.set_xlabel("mean time, µs (share of the sum)")
        return inline_svg(figure, "operators", "Mean time of each operator")


def epochs_of(epochs: Sequence[EpochMetrics]) -> Html:
    """Accuracy in percent of each epoch, on the training images and the validation images."""
    from matplotlib.ticker import MaxNLocator

    numbers = [record.epoch for record in epochs]
    lines = {
        "training": [record.train_accuracy for record in epochs],
        "validation": [record.validation_accuracy for record in epochs],
    }
    with _plot(2.6) as (figure, axes):
        for index, (label, values) in enumerate(lines.items()):
            axes.plot(numbers, 100 * np.array(values), f"{mark(index)}-", color=series(index), label=label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("epoch")
        axes.set_ylabel("accuracy, %")
        figure.legend(loc="outside lower left", ncols=2)
        return inline_svg(figure, "epochs", "Accuracy of each epoch, in training and on the validation images")


def classes_shown(models: Sequence[ModelRow], classes: Sequence[str]) -> list[int]:
    """The classes that ``per_class_accuracy`` shows, in their order: all, or the weakest of the last model."""
    if len(classes) <= MAX_CLASSES:
        return list(range(len(classes)))
    last = next(model for model in reversed(models) if model.per_class)
    weakest = sorted(range(len(classes)), key=lambda label: (last.per_class[label] is None, last.per_class[label]))
    return sorted(weakest[:MAX_CLASSES])


def mark(index: int) -> str:
    """The mark of model ``index``; the same in every plot."""
    return list(MARKS)[index % len(MARKS)]


def shorten(label: str, limit: int = MAX_LABEL) -> str:
    """One line of at most ``limit`` printable characters."""
    line = "".join(sign if sign.isprintable() else " " for sign in label).strip()
    return line if len(line) <= limit else line[: limit - 1] + "…"


@contextmanager
def _plot(height: float) -> Iterator[tuple[Figure, Axes]]:
    """A new figure of so many inches and its axes, to be drawn and written in the report's style."""
    from matplotlib.figure import Figure

    with style():
        figure = Figure(figsize=(5.4, height), layout="constrained")
        yield figure, figure.subplots()


def _log_axis(axes: Axes, low: float, high: float, text: Callable[[float], str]) -> None:
    """A logarithmic x axis with few, round ticks: 1, 2, 5 over about a decade, fewer over more."""
    from matplotlib.ticker import LogLocator, NullFormatter

    decades = np.log10(high / low)
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5) if decades < 1.7 else (1, 3) if decades < 3 else (1,)))
    axes.xaxis.set_major_formatter(lambda value, _: re.sub(r"\.0+ ", " ", text(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _draw_row(axes: Axes, floor: float, latency: Latency, values: Floats, edges: Floats, colour: str) -> None:
    counts, _ = np.histogram(values, edges)
    heights = ROW_HEIGHT * counts / max(1, counts.max())
    axes.stairs(floor + heights, edges, baseline=floor, fill=True, color=colour, alpha=0.45)
    axes.stairs(floor + heights, edges, baseline=floor, color=colour, linewidth=0.9)
    top = floor + ROW_HEIGHT + 0.06
    axes.vlines(latency.p50_ns, floor, top, color=INK, linewidth=1.2)
    # The text stands on the side that has room.
    left_half = latency.p50_ns**2 < edges[0] * edges[-1]
    axes.annotate(
        f"p50 {time_text(latency.p50_ns)}",
        (latency.p50_ns, top),
        (4 if left_half else -4, 0),
        textcoords="offset points",
        ha="left" if left_half else "right",
        va="center",
        fontsize=8.5,
    )
    beyond = int((values > edges[-1]).sum())
    if beyond:
        axes.annotate(f"{beyond:,} slower →", (edges[-1], floor + 0.1), ha="right", fontsize=8, color=FAINT)
