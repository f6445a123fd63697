"""The page of a teacher: how good it is, which classes it takes for which, its worst mistakes, and its epochs."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgekit.catalog import REPORT
from edgekit.console import counted
from edgekit.files import write_text
from edgekit.report.html import card, document, figures_of, tile
from edgekit.report.markup import Html, element
from edgekit.report.plots import epochs_of, shorten
from edgekit.report.record import Picture
from edgekit.report.svg import require_matplotlib
from edgekit.report.units import interval_text
from edgekit.tasks.classification import Classified
from edgekit.training import natural
from edgekit.training import teach as verb
from edgekit.training.distill import DistillOptions, DistillResult
from edgekit.training.teach import TeachOptions, TeachResult

MOST_CLASSES = 30
"""Of a confusion matrix; of more, those with the most mistakes."""


def teach(options: TeachOptions) -> TeachResult:
    """The command: teach as ``edgekit.training.teach.teach`` does, and write the page beside its files.

    Raises:
        UsageError: matplotlib is not installed, or as the verb says.
        EdgekitError: as the verb.
    """
    require_matplotlib()
    result = verb.teach(options)
    write_page(result)
    return result


def distill(options: DistillOptions) -> DistillResult:
    """The command: distil as ``edgekit.training.natural.distill`` does; a teacher that it makes has its page too.

    Raises:
        EdgekitError: as the verb.
    """
    return natural.distill(options, teach if find_spec("matplotlib") else verb.teach)


def write_page(result: TeachResult) -> Path:
    """Write report.html into the run folder; return its path."""
    path = result.model.parent / REPORT
    write_text(path, render_teaching(result))
    return path


def render_teaching(result: TeachResult) -> str:
    """The page as text."""
    test = result.test
    how = {"": "trained from scratch", "head": "its head trained", "lora": "fine-tuned by LoRA", "full": "fine-tuned"}
    lead = f"{result.name}, {how[result.tune]} on {counted(result.photos, result.kind)} of {result.data}."
    tiles = (
        tile("Test accuracy", f"{test.accuracy:.2%}", f"95% interval {interval_text(*test.interval)}"),
        tile("F1 (macro)", f"{result.test_f1:.2%}", "every class counts alike"),
        tile("Validation", f"{result.validation_accuracy:.2%}", "what chose the weights"),
        tile("Parameters", f"{result.parameters:,}", f"{len(test.classes):,} classes"),
    )
    return document(
        f"{result.name} on {result.data}",
        element(
            "header",
            element("h1", f"{result.name} on {result.data}"),
            element("p", lead, class_="lead"),
            element("div", *tiles, class_="tiles"),
        ),
        element("section", element("h2", "Which is taken for which"), _confusion(test, result.kind)),
        element("section", element("h2", "Each class"), _classes(test, result.kind)),
        *_mistakes(result),
        *_epochs(result),
    )


def _confusion(test: Classified, kind: str) -> Html:
    """The confusion matrix as a table, each cell as dark as its share of the row."""
    counts = np.asarray(test.confusion)
    wrong = counts.sum(0) + counts.sum(1) - 2 * counts.diagonal()
    shown = np.sort(np.argsort(-wrong, kind="stable")[:MOST_CLASSES])
    names = [shorten(test.classes[label]) for label in shown]
    head = element("tr", element("th", "truly ↓, taken for →"), *(_upright(name) for name in names))
    rows = [
        element("tr", element("td", name), *(_cell(counts[label], guess, guess == label) for guess in shown))
        for name, label in zip(names, shown, strict=True)
    ]
    which = "" if len(shown) == len(counts) else f" The {len(shown)} of {len(counts):,} classes with the most mistakes."
    note = f"Numbers of test {kind}: a row for each true class, a column for each answer.{which}"
    table = element("table", element("thead", head), element("tbody", *rows), class_="confusion")
    return card("Confusion matrix", note, element("div", table, class_="scroll"))


def _upright(name: str) -> Html:
    return element("th", element("span", name))


def _cell(row: NDArray[np.int64], guess: int, right: bool) -> Html:
    count, kind = int(row[guess]), "right" if right else "wrong"
    share = 100 * count / max(1, row.sum())
    return element("td", f"{count:,}" if count else "", class_=kind, style=f"--share: {share:.0f}%")


def _classes(test: Classified, kind: str) -> Html:
    """Precision, recall and F1 of each class, the weakest first."""
    counts = np.asarray(test.confusion)
    hits, true, guessed = counts.diagonal(), counts.sum(1), counts.sum(0)
    f1 = 2 * hits / np.maximum(1, true + guessed)
    rows = [
        (
            shorten(test.classes[label]),
            f"{true[label]:,}",
            _share(hits[label], guessed[label]),
            _share(hits[label], true[label]),
            f"{f1[label]:.1%}",
        )
        for label in np.argsort(f1, kind="stable")
    ]
    columns = ("class", f"test {kind}", "precision", "recall", "F1")
    head = element("tr", *(element("th", name) for name in columns))
    body = [element("tr", *(element("td", cell) for cell in row)) for row in rows]
    note = f"Precision: the share of the {kind} with this answer that are right. Recall: the share of this class found."
    return card("The weakest first", note, element("div", element("table", head, *body), class_="scroll"))


def _share(hits: int, of: int) -> str:
    return f"{hits / of:.1%}" if of else "–"


def _mistakes(result: TeachResult) -> Sequence[Html]:
    test = result.test
    if not test.mistakes:
        return ()
    pictures = [
        Picture(image, test.classes[one.label], test.classes[one.guess], one.probability, one.label_probability)
        for one, image in zip(test.mistakes, result.shown, strict=True)
    ]
    total = test.images - test.correct
    note = f"The most confident {len(pictures)} of {total:,} wrong answers, and the truth, each with its probability."
    return (
        element("section", element("h2", "Worst mistakes"), element("p", note, class_="note"), figures_of(pictures)),
    )


def _epochs(result: TeachResult) -> Sequence[Html]:
    if not result.epochs:
        return ()
    note = f"On the augmented training {result.kind} as they were learned, and on the validation {result.kind}."
    return (element("section", element("h2", "Epochs"), card("Accuracy", note, epochs_of(result.epochs))),)
