"""The page of a quantization: the files, what each rung of the ladder gained, and which layer hurts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from edgekit.catalog import QUANTIZE_REPORT
from edgekit.console import counted
from edgekit.errors import UsageError
from edgekit.files import write_text
from edgekit.modelfiles.delegation import summarize
from edgekit.quantization import quantize as verb
from edgekit.quantization.options import QuantizeOptions
from edgekit.quantization.quantize import QuantizeResult
from edgekit.quantization.sensitivity import TensorRow
from edgekit.report.html import document
from edgekit.report.markup import Html, element

HURTS = 6.0
"""Decibels around the worst tensor's effect alone: what is within them is marked."""


def quantize(options: QuantizeOptions) -> QuantizeResult:
    """The command: quantize by the scheme that is said, and write the page of a ladder that was climbed.

    Raises:
        UsageError: no scheme is said.
        EdgekitError: as ``edgekit.quantization.quantize.quantize``.
    """
    if not (options.int8 or options.fp16):
        raise UsageError("Say one scheme: --int8 (static), --int8 --weights-only, or --fp16.")
    result = verb.quantize(options)
    if result.rungs:
        write_page(result)
    return result


def write_page(result: QuantizeResult) -> Path:
    """Write quantize.html beside the files of a quantization; return its path."""
    path = Path(result.folder) / QUANTIZE_REPORT
    write_text(path, render_quantization(result))
    return path


def render_quantization(result: QuantizeResult) -> str:
    """The page as text."""
    title = f"{result.original.file} in 8 bits"
    samples = f"{counted(result.evaluation_images, f'{result.evaluated_on} {result.kind}')} of {result.data}"
    return document(
        title,
        element(
            "header", element("h1", title), element("p", f"{result.recipe}, {result.io} in and out.", class_="lead")
        ),
        element("section", element("h2", "Files"), element("p", f"Measured on {samples}."), _files(result)),
        element("section", element("h2", "The ladder"), _rungs(result)),
        element("section", element("h2", "Which layer hurts"), element("p", _EXPLANATION), _layers(result)),
        element("section", element("h2", "LiteRT"), element("p", _undelegated(result))),
    )


_EXPLANATION = (
    "Signal over noise, in decibels, of each stored tensor in the quantized network, and of the network's outputs when "
    "that tensor alone is rounded. Lower is worse; the tensors that cost the outputs most are marked."
)


def _files(result: QuantizeResult) -> Html:
    rows, metric = [], "accuracy"
    for item in (result.original, result.onnx, result.tflite):
        if item.quality is not None:
            metric = item.quality.metric
            accuracy, _, agreement, signal = item.quality.cells()
            rows.append((item.file, f"{item.file_bytes:,}", accuracy, agreement, signal or "equal"))
    return _table(("file", "bytes", metric, "agreement", "signal over noise"), rows)


def _rungs(result: QuantizeResult) -> Html:
    rows = [
        (
            f"{rung.rung} {rung.name}",
            str(rung.verdict),
            f"{rung.seconds:.1f} s",
            "yes" if rung.kept else "",
            rung.detail,
        )
        for rung in result.rungs
    ]
    columns = ("rung", "against the float model", "took", "kept", "what it did")
    return _table(columns, rows, words=("against the float model", "what it did"))


def _layers(result: QuantizeResult) -> Html:
    worst = min((row.alone_db for row in result.layers if row.alone_db is not None), default=0.0)
    rows = [_layer(row, row.alone_db is not None and row.alone_db < worst + HURTS) for row in result.layers]
    columns = ("tensor", "made by", "scale", "zero point", "here", "alone", "type")
    return _table(columns, rows, words=("made by",))


def _layer(row: TensorRow, hurts: bool) -> Sequence[str]:
    alone = _decibels(row.alone_db)
    kind = "float" if row.is_float else f"int{row.bits}"
    marked = element("b", alone) if hurts else alone
    return (row.tensor, row.operator, f"{row.scale:.6g}", str(row.zero_point), _decibels(row.sqnr_db), marked, kind)


def _undelegated(result: QuantizeResult) -> str:
    if not result.undelegated:
        return "XNNPACK takes every operator of the TFLite file."
    return f"XNNPACK does not take: {summarize(result.undelegated)}"


def _decibels(value: float | None) -> str:
    return "equal" if value is None else f"{value:.1f} dB"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]], words: Sequence[str] = ()) -> Html:
    """A table of figures, which do not break over lines; the columns ``words`` hold text."""
    kinds = ["word" if column in words else "figure" for column in columns]

    def row(tag: str, cells: Sequence[str]) -> Html:
        return element("tr", *(element(tag, cell, class_=kind) for cell, kind in zip(cells, kinds, strict=True)))

    body = element("tbody", *(row("td", cells) for cells in rows))
    return element("div", element("table", element("thead", row("th", columns)), body), class_="scroll")
