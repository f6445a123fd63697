"""Matplotlib figures as inline SVG that takes its colours from the page, so that one plot suits light and dark.

Figures are drawn in stand-in colours (``INK``, ``FAINT``, ``GRID``, ``series(i)``), which become CSS variables. The SVG
carries text as text, no namespaces and no addresses, and ids that are its own on a page with several plots.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from edgekit.errors import UsageError
from edgekit.extras import install
from edgekit.report.markup import Html, element

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, FAINT, GRID = "#010101", "#020202", "#030303"
SERIES = 8
VARIABLES = {INK: "--ink", FAINT: "--faint", GRID: "--grid"} | {
    f"#0404{index:02x}": f"--series-{index}" for index in range(SERIES)
}


def series(index: int) -> str:
    """The stand-in colour of model ``index``; the same in every plot."""
    return f"#0404{index % SERIES:02x}"


def require_matplotlib() -> None:
    """Find out before any long work whether plots can be drawn.

    Raises:
        UsageError: matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as exc:
        raise UsageError(f"The report needs matplotlib; run: {install('report')}") from exc


@contextmanager
def style() -> Iterator[None]:
    """Matplotlib's settings for the block, and nothing of them after it."""
    import matplotlib

    settings = matplotlib.rc_context(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": "edgekit",
            "text.parse_math": False,  # a class may be called $x$
            "font.size": 9.0,
            "grid.linewidth": 0.6,
            **dict.fromkeys(("text.color", "ytick.labelcolor"), INK),
            **dict.fromkeys(("axes.labelcolor", "xtick.labelcolor"), FAINT),
            **dict.fromkeys(("axes.edgecolor", "grid.color", "xtick.color", "ytick.color"), GRID),
            **dict.fromkeys(("axes.grid", "axes.axisbelow"), True),
            **dict.fromkeys(("axes.spines.top", "axes.spines.right", "legend.frameon"), False),
        }
    )
    with settings, warnings.catch_warnings():
        # The reader's browser draws the text, with fonts that matplotlib need not have.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def inline_svg(figure: Figure, name: str, description: str) -> Html:
    """A figure as an ``<svg>`` element; ``name`` is unique on the page, ``description`` is for screen readers."""
    stream = io.BytesIO()
    nothing = {"Creator": None, "Date": None, "Format": None, "Type": None}
    figure.savefig(stream, format="svg", transparent=True, metadata=nothing)
    root = ElementTree.fromstring(stream.getvalue())
    for parent in root.iter():
        for child in [child for child in parent if _local(child.tag) in ("style", "metadata")]:
            parent.remove(child)
    for node in root.iter():
        node.tag = _local(node.tag)
        node.attrib = {_local(key): _rewrite(key, value, name) for key, value in node.attrib.items()}
        node.tail = None
        if node.tag != "text":
            node.text = None
    body = Html("".join(ElementTree.tostring(child, encoding="unicode") for child in root))
    return element("svg", body, viewBox=root.attrib["viewBox"], role="img", aria_label=description, class_="plot")


def _local(name: str) -> str:
    """A tag or attribute without its namespace, as HTML wants it."""
    return name.rpartition("}")[2]


def _rewrite(key: str, value: str, name: str) -> str:
    if key == "id":
        return f"{name}-{value}"
    value = re.sub(r"font-family:[^;]*;?", "", value) if key == "style" else value
    value = re.sub(r"(^|url\()#(?![0-9a-f]{6}\b)", rf"\g<1>#{name}-", value)
    return re.sub(r"#[0-9a-f]{6}\b", lambda found: _variable(found.group()), value)


def _variable(colour: str) -> str:
    return f"var({VARIABLES[colour]})" if colour in VARIABLES else colour
