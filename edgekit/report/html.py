"""The report as one HTML file: no script, no address of anything outside, every text escaped."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from pathlib import Path

from edgekit.console import counted
from edgekit.data.dataset import Images
from edgekit.report.markup import Html, element, join
from edgekit.report.plots import (
    MARKS,
    accuracy_against_size,
    classes_shown,
    latency_distribution,
    mark,
    operator_times,
    per_class_accuracy,
    shorten,
)
from edgekit.report.record import Latency, ModelRow, Parity, Picture, Report
from edgekit.report.svg import SERIES
from edgekit.report.units import bytes_text, interval_text, share_text, time_text
from edgekit.tasks.classification import wilson_interval

STYLE = Path(__file__).with_name("page.css")
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""The browser is told as well: nothing is loaded and nothing runs, whatever a label says."""
SMALL = 64
"""An image of fewer pixels a side is enlarged pixel by pixel."""
LONGEST_TEXT = 300
"""Of a text that is shown, in letters."""


def render(report: Report) -> str:
    """The whole page as text. Characters that UTF-8 does not have become question marks."""
    return document(report.title, *(part for section in SECTIONS if (part := section(report))))


def document(title: str, *parts: Html) -> str:
    """A page in the report's style, of parts that are markup already."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", Html(STYLE.read_text(encoding="utf-8"))),
    )
    page = "<!doctype html>\n" + element("html", head, element("body", *parts), lang="en") + "\n"
    return page.encode("utf-8", "replace").decode("utf-8")


def _header(report: Report) -> Html:
    return element("header", element("h1", report.title), element("p", report.summary, class_="lead"), _tiles(report))


def _tiles(report: Report) -> Html:
    """The figures that a reader came for, of the file that goes onto the device."""
    shipped, largest = report.shipped, max(report.models, key=lambda model: model.file_bytes)
    tiles = [
        tile("Accuracy", f"{shipped.accuracy:.2%}", f"95% interval {interval_text(*shipped.interval)}"),
        tile("File", bytes_text(shipped.file_bytes), _times_smaller(shipped, largest)),
    ]
    if shipped.latency is not None:
        latency = shipped.latency
        note = join(("p50 of one inference, ", _provenance(latency)))
        tiles.append(tile("Latency", time_text(latency.p50_ns), note))
    if shipped.arena_bytes is not None:
        tiles.append(tile("Tensor arena", bytes_text(shipped.arena_bytes), "exact, in TFLite Micro"))
    elif shipped.memory_bytes is not None:
        tiles.append(tile("Memory", bytes_text(shipped.memory_bytes), "peak over the bare runtime"))
    return element("div", *tiles, class_="tiles")


def tile(name: str, figure: str, note: str) -> Html:
    """A figure that a reader came for, with what it is."""
    return element("div", element("span", name), element("b", figure), element("span", note), class_="tile")


def _times_smaller(shipped: ModelRow, largest: ModelRow) -> str:
    if largest.file_bytes < 2 * shipped.file_bytes:
        return f"{shipped.file_bytes:,} B"
    times = largest.file_bytes / shipped.file_bytes
    return f"{shipped.file_bytes:,} B, {times:.0f} times smaller than {largest.file}"


def _warnings(report: Report) -> Html:
    if not report.warnings:
        return Html()
    items = [element("li", text) for text in report.warnings]
    return element("section", element("h2", "Warnings"), element("div", element("ul", *items), class_="alert"))


def _results(report: Report) -> Html:
    columns = ("model", "test accuracy", "file", "peak memory", "tensor arena", "latency p50")
    head = element("tr", *(element("th", name) for name in columns))
    rows = [_result_row(index, model, model is report.shipped) for index, model in enumerate(report.models)]
    note = (
        f"Accuracy is on the {report.images:,} test images of {report.data}, with its 95% interval. "
        "Peak memory is that of a fresh process over one that has only loaded the runtime; the tensor arena is what "
        "TFLite Micro needs for a file that it can open. Latency is for one image, with the 95% interval of the median."
    )
    table = element("div", element("table", head, *rows), class_="scroll")
    card = element("div", table, element("p", note, class_="note"), class_="card")
    return element("section", element("h2", "Results"), card)


def _result_row(index: int, model: ModelRow, shipped: bool) -> Html:
    weights = "" if model.weight_bytes is None else f"weights {model.weight_bytes:,} B"
    return element(
        "tr",
        element("td", _mark(index), model.role, element("small", model.file)),
        element("td", f"{model.accuracy:.2%}", element("small", interval_text(*model.interval))),
        element("td", f"{model.file_bytes:,} B", element("small", weights)),
        element("td", "–" if model.memory_bytes is None else bytes_text(model.memory_bytes)),
        element("td", "–" if model.arena_bytes is None else f"{model.arena_bytes:,} B"),
        element("td", *_latency_cell(model.latency)),
        class_="shipped" if shipped else "",
    )


def _latency_cell(latency: Latency | None) -> tuple[str, ...]:
    if latency is None:
        return ("–",)
    low, high = (time_text(value) for value in latency.interval_ns)
    threads = counted(latency.threads, "threads")
    return (
        join([element("span", f"{time_text(latency.p50_ns)} "), _provenance(latency)]),
        element("small", f"{low} to {high}"),
        element("small", f"{latency.runtime}, {threads}"),
    )


def _provenance(latency: Latency) -> Html:
    return element("span", latency.provenance, class_="provenance")


def _plots(report: Report) -> Html:
    models, shipped = report.models, report.shipped
    cards = [card("Accuracy against size", "Up and to the left is better.", accuracy_against_size(models))]
    if any(model.latency for model in models):
        note = "Every raw sample counts; each row has its own height. Left is faster."
        cards.append(card("Latency", note, latency_distribution(models)))
    if any(model.per_class for model in models):
        cards.append(card("Accuracy per class", _class_note(report), per_class_accuracy(models, report.classes)))
    if shipped.operators:
        note = f"Inside {shipped.role}, from runs of their own with the runtime's profiler on, which slows them down."
        cards.append(card("Time per operator", note, operator_times(shipped, len(models) - 1)))
    return element("section", element("h2", "Plots"), element("div", *cards, class_="plots"))


def card(title: str, note: str, *content: Html) -> Html:
    """A part of the page with a heading and a sentence on how to read it."""
    return element("div", element("h3", title), element("p", note, class_="note"), *content, class_="card")


def _parity(report: Report) -> Html:
    if report.parity is None:
        return Html()
    return element("section", element("h2", "The same answers in both files"), element("p", parity_text(report.parity)))


def parity_text(parity: Parity) -> str:
    """What the comparison of two files found, in one sentence."""
    return (
        f"{parity.first} and {parity.second} were run on the same {parity.images:,} test images: "
        f"{share_text(parity.equal_share)} of their output integers are equal, the largest difference is "
        f"{counted(parity.max_steps, 'steps')} of quantization, and they gave the same answer "
        f"to {share_text(parity.same_answer_share)} of the images."
    )


def _mistakes(report: Report) -> Html:
    if not report.mistakes:
        return Html()
    shown, total = len(report.mistakes), report.mistakes_total
    which = f"The most confident {shown} of {total:,}" if total > shown else f"All {total:,}"
    note = f"{which} wrong answers of {report.shipped.role}: its answer and the truth, each with its probability."
    figures = figures_of(report.mistakes)
    return element("section", element("h2", "Worst mistakes"), element("p", note, class_="note"), figures)


def figures_of(mistakes: Iterable[Picture]) -> Html:
    """Pictures that were taken for something else."""
    return element("div", *map(_mistake, mistakes), class_="mistakes")


def _class_note(report: Report) -> str:
    shown = len(classes_shown(report.models, report.classes))
    which = "" if shown == len(report.classes) else f"The {shown} weakest of {len(report.classes):,} classes. "
    each = max(1, report.images // len(report.classes))
    low, high = wilson_interval(round(report.shipped.accuracy * each), each)
    chance = f"differences below {50 * (high - low):.1f} points may be chance"
    return f"{which}With about {each:,} test images a class, {chance}."


def _mistake(picture: Picture) -> Html:
    guess = (element("b", picture.guess), f" {_chance(picture.probability)}")
    truth = f"truly {picture.label}, {_chance(picture.label_probability)}"
    caption = element("figcaption", *guess, Html("<br>"), truth)
    return element("figure", _shown(picture), caption)


def _shown(picture: Picture) -> Html:
    if isinstance(picture.image, str):
        return element("blockquote", shorten(picture.image, LONGEST_TEXT))
    text = f"{picture.label}, taken for {picture.guess}"
    size = "small" if max(picture.image.shape) < SMALL else "large"
    return element("img", src=png_uri(picture.image), alt=text, class_=size)


def png_uri(image: Images) -> str:
    """A uint8 image [H, W, C] of one, three or four channels as a data URI."""
    from PIL import Image

    pixels = image[:, :, 0] if image.shape[2] == 1 else image
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "png", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()


def _how(report: Report) -> Html:
    facts = [item for key, value in report.context.items() for item in (element("dt", key), element("dd", value))]
    commands = element("pre", element("code", "\n".join(report.commands)))
    cells = [(model.file, f"{model.file_bytes:,}", element("code", model.sha256)) for model in report.models]
    head = element("tr", *(element("th", name, class_="word") for name in ("file", "bytes", "sha256")))
    rows = [element("tr", *(element("td", cell, class_="word") for cell in row)) for row in cells]
    parts = [element("h2", "How this was made")]
    if report.commands:
        parts.append(element("div", commands, class_="card"))
    if facts:
        parts += [element("h2", "Measured on"), element("div", element("dl", *facts), class_="card")]
    table = element("div", element("table", head, *rows), class_="scroll")
    return element("section", *parts, element("h2", "Files"), element("div", table, class_="card"))


def _mark(index: int) -> Html:
    """The mark that stands for a model in the plots."""
    return element("span", MARKS[mark(index)], class_="mark", style=f"color: var(--series-{index % SERIES})")


def _chance(probability: float) -> str:
    """A percentage that says 0 or 100 only where that is what it is."""
    if 0 < probability < 0.005:
        return "<1%"
    return ">99%" if 0.995 < probability < 1 else f"{probability:.0%}"


SECTIONS = (_header, _warnings, _results, _plots, _parity, _mistakes, _how)
