"""The page of a search: every candidate that was trained, by what it costs and how accurate it is.

The plot needs no script: a point shows what it is where the mouse is, leads to its row, and the switch between costs is
one of CSS.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgekit.catalog import REPORT
from edgekit.files import write_text
from edgekit.report.html import card, document, tile
from edgekit.report.markup import Html, element
from edgekit.report.plots import shorten
from edgekit.report.units import bytes_text
from edgekit.search import search as verb
from edgekit.search.costs import TEXTS, UNFIT, State
from edgekit.search.records import SearchOptions, SearchResult
from edgekit.search.trials import Found

WIDTH, HEIGHT = 900, 420
LEFT, RIGHT, TOP, BOTTOM = 60, 20, 16, 44
NAMES = {"bytes": "size", "latency_ms": "latency", "arena_bytes": "arena", "instructions": "instructions"}
AXIS_TEXTS = {**TEXTS, "bytes": bytes_text, "arena_bytes": bytes_text}
"""What stands at the ticks of a cost's axis."""


def search(options: SearchOptions) -> SearchResult:
    """The command: search as ``edgekit.search.search.search`` does, and write the page beside its files.

    Raises:
        EdgekitError: as the verb.
    """
    result = verb.search(options)
    if result.distilled is not None:
        write_text(result.distilled.model.parent / REPORT, render_search(result))
    return result


def render_search(result: SearchResult) -> str:
    """The page as text."""
    title = f"{result.student} on {result.data}"
    trained = [one for one in result.candidates if one.state == State.TRAINED]
    unfit = sum(one.state in UNFIT for one in result.candidates)
    where = f" on {result.device}" if result.device else ""
    lead = f"The best student within {result.limits}{where}, taught by {result.teacher}."
    return document(
        title,
        element(
            "header",
            element("h1", title),
            element("p", lead, class_="lead"),
            element("div", *_tiles(result, len(trained), unfit), class_="tiles"),
        ),
        element("section", element("h2", "Candidates"), _plots(result, trained)),
        element("section", element("h2", "All that were trained"), _table(result, trained)),
    )


def _tiles(result: SearchResult, trained: int, unfit: int) -> Iterator[Html]:
    made = result.quantized.tflite if result.quantized else None
    if made is not None and result.quantized is not None:
        quality = made.quality
        accuracy = "–" if quality is None or quality.accuracy is None else f"{quality.accuracy:.2%}"
        yield tile("Accuracy", accuracy, f"{made.file}, {result.quantized.evaluated_on} images")
        yield tile("File", f"{made.file_bytes:,} B", "int8 TFLite")
    if result.best is not None and result.best.costs.latency_ms is not None:
        yield tile("Latency", TEXTS["latency_ms"](result.best.costs.latency_ms), result.provenance)
    yield tile("Candidates", f"{trained:,}", f"trained; {unfit:,} did not fit and were not")


def _plots(result: SearchResult, trained: Sequence[Found]) -> Html:
    """A plot for each cost, of which one is seen, and the buttons that choose it."""
    names = tuple(trained[0].costs.known()) if trained else ()
    switches = []
    for place, name in enumerate(names):
        is_first = {} if place else {"checked": ""}
        switches.append(element("input", type="radio", name="cost", id=f"by-{name}", **is_first))
        switches.append(element("label", f"by {NAMES[name]}", for_=f"by-{name}"))
    plots = [element("div", _plot(result, trained, name), class_=f"plot-{name}") for name in names]
    note = "Up and to the left is better. Filled: what no other beats in loss and costs. A point leads to its row."
    return card("Accuracy against cost", note, element("div", *switches, *plots, class_="switched"))


def _plot(result: SearchResult, trained: Sequence[Found], name: str) -> Html:
    costs = [one.costs.known()[name] for one in trained]
    limit = result.limits.known().get(name)
    across = _Axis(LEFT, WIDTH - RIGHT, [*costs, *([limit] if limit else [])])
    up = _Axis(HEIGHT - BOTTOM, TOP, [one.accuracy for one in trained])
    parts = [*_grid(across, up, name)]
    if limit:
        parts.append(_line(across.at(limit), TOP, across.at(limit), HEIGHT - BOTTOM, "limit"))
    front = {one.number for one in result.front}
    for one, cost in zip(trained, costs, strict=True):
        kind = "best" if one == result.best else "front" if one.number in front else "other"
        parts.append(_point(one, across.at(cost), up.at(one.accuracy), kind))
    label = f"Accuracy of the candidates against {NAMES[name]}, a point for each"
    return element("svg", *parts, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=label, class_="plot")


@dataclass(frozen=True)
class _Axis:
    """From ``begin`` to ``end`` on the paper, for values."""

    begin: float
    end: float
    values: Sequence[float]

    @property
    def limits(self) -> tuple[float, float]:
        """What it shows, with a margin."""
        low, high = min(self.values), max(self.values)
        margin = 0.06 * (high - low) or 0.06 * abs(high) or 1.0
        return low - margin, high + margin

    def at(self, value: float) -> float:
        """Where a value is on the paper."""
        low, high = self.limits
        return round(self.begin + (self.end - self.begin) * (value - low) / (high - low), 1)

    def ticks(self) -> Iterator[float]:
        """Four to ten round values."""
        low, high = self.limits
        rough = (high - low) / 5
        size = 10.0 ** math.floor(math.log10(rough))
        step = next(step * size for step in (1, 2, 5, 10) if step * size >= rough)
        for number in range(math.ceil(low / step), math.floor(high / step) + 1):
            yield number * step


def _grid(across: _Axis, up: _Axis, name: str) -> Iterator[Html]:
    for value in up.ticks():
        height = up.at(value)
        yield _line(LEFT, height, WIDTH - RIGHT, height, "grid")
        yield _text(f"{100 * value:.4g}%", LEFT - 8, height + 4, "end")
    for value in across.ticks():
        yield _line(across.at(value), TOP, across.at(value), HEIGHT - BOTTOM, "grid")
        yield _text(AXIS_TEXTS[name](value), across.at(value), HEIGHT - BOTTOM + 18, "middle")
    yield _text(NAMES[name], (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, "middle")


def _point(one: Found, x: float, y: float, kind: str) -> Html:
    """A point that leads to its row, and what is seen of it where the mouse is."""
    what = f"{one.accuracy:.2%}, {one.costs}"
    side = "start" if x < WIDTH / 2 else "end"
    shift = 12 if side == "start" else -12
    texts = [_text(what, x + shift, y - 4, side), _text(shorten(one.network, 90), x + shift, y + 12, side)]
    circle = element("circle", element("title", f"{one.network}: {what}"), cx=f"{x}", cy=f"{y}", r="5.5")
    return element("a", circle, *texts, href=f"#trial-{one.number}", class_=f"point {kind}")


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Html:
    return element("line", x1=f"{x1}", y1=f"{y1}", x2=f"{x2}", y2=f"{y2}", class_=kind)


def _text(text: str, x: float, y: float, anchor: str) -> Html:
    return element("text", text, x=f"{x}", y=f"{y}", text_anchor=anchor)


def _table(result: SearchResult, trained: Sequence[Found]) -> Html:
    names = tuple(trained[0].costs.known()) if trained else ()
    head = element("tr", *(element("th", text) for text in ("network", *(NAMES[name] for name in names), "accuracy")))
    rows = []
    for one in sorted(trained, key=lambda one: (-len(one.accuracies), -one.accuracy)):
        known = one.costs.known()
        rungs = ", ".join(f"{accuracy:.2%}" for accuracy in one.accuracies[:-1])
        accuracy = element(
            "td", f"{one.accuracy:.2%}", element("small", f"after {rungs}" if rungs else "stopped first")
        )
        network = element("td", one.network, element("small", f"candidate {one.number}"), class_="word")
        cells = (element("td", TEXTS[name](known[name]), class_="figure") for name in names)
        kind = "shipped" if one == result.best else ""
        rows.append(element("tr", network, *cells, accuracy, id=f"trial-{one.number}", class_=kind))
    note = "Accuracy on the validation images after the last rung; those that were stopped early learned for less long."
    return card("The most trained first", note, element("div", element("table", head, *rows), class_="scroll"))
