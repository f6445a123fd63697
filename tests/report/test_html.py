from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from edgekit.errors import UsageError
from edgekit.report.html import png_uri, render
from edgekit.report.record import ModelRow, Picture, Report

HOSTILE = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</style><svg/onload=alert(1)>")
VOID = {"meta", "img", "br"}


class Page(HTMLParser):
    """The elements and the visible text of a page; fails on one that is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.text += data


def test_the_page_loads_nothing_and_runs_nothing(report: Report) -> None:
    text = render(report)
    page = Page(text)
    assert "://" not in text
    assert "script" not in {tag for tag, _ in page.elements}
    for tag, attributes in page.elements:
        assert not any(name.startswith("on") for name in attributes), tag
        for name in ("src", "href"):
            assert (attributes.get(name) or "#").startswith(("#", "data:image/png;base64,"))


def test_the_page_says_what_was_measured(report: Report) -> None:
    page = Page(render(report))
    for model in report.models:
        assert model.latency is not None
        assert model.role in page.text
        assert model.sha256 in page.text
        assert f"{model.file_bytes:,} B" in page.text
    for text in ("the machine was busy", "a Cortex-A72", "edgekit demo --seed 0", "99.94%", "14,800 B"):
        assert text in page.text


def test_every_latency_has_its_provenance_beside_it(report: Report) -> None:
    shown = [attributes for _, attributes in Page(render(report)).elements if attributes.get("class") == "provenance"]
    assert len(shown) == len(report.models) + 1  # the table's rows and the tile above it


def test_a_provenance_is_one_of_three_words(models: tuple[ModelRow, ...]) -> None:
    assert models[0].latency is not None
    assert "predicted" in Page(render_one(replace(models[0].latency, provenance="predicted"), models[0])).text
    with pytest.raises(UsageError, match="guessed"):
        replace(models[0].latency, provenance="guessed")


def render_one(latency: object, model: ModelRow) -> str:
    row = replace(model, latency=latency)  # type: ignore[arg-type]
    return render(Report("t", "s", "mnist", 100, ("0", "1"), (row,)))


@pytest.mark.parametrize("label", HOSTILE)
def test_a_hostile_label_comes_out_harmless(report: Report, label: str) -> None:
    picture = Picture(np.zeros((4, 4, 3), np.uint8), label, label, 0.5, 0.25)
    hostile = replace(
        report,
        title=label,
        summary=label,
        data=label,
        classes=(label, "1", "2"),
        models=tuple(replace(model, role=label, file=label, operators=((label, 1.0),)) for model in report.models),
        mistakes=(picture,),
        context={label: label},
        warnings=(label,),
        commands=(label,),
    )
    tame = Page(render(report)).elements
    page = Page(render(hostile))
    assert [tag for tag, _ in page.elements if tag in ("script", "svg")] == [tag for tag, _ in tame if tag == "svg"]
    assert all(not name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert label in page.text


def test_characters_without_utf8_become_question_marks(report: Report) -> None:
    assert "photo?" in render(replace(report, data="photo\udc80", classes=("\udc80", "1", "2")))


def test_what_was_not_measured_is_a_dash_or_left_out(models: tuple[ModelRow, ...]) -> None:
    bare = ModelRow("model", "model.onnx", "0" * 64, 1000, 0.5, (0.4, 0.6))
    text = Page(render(Report("t", "s", "mnist", 100, ("0", "1"), (bare,)))).text
    assert "–" in text
    for heading in ("Worst mistakes", "Warnings", "Accuracy per class", "Time per operator", "same answers"):
        assert heading not in text


def test_pictures_of_one_and_of_three_channels_are_png() -> None:
    for channels in (1, 3):
        assert png_uri(np.zeros((8, 8, channels), np.uint8)).startswith("data:image/png;base64,iVBOR")


def test_an_accuracy_that_is_not_a_share_is_refused(models: tuple[ModelRow, ...]) -> None:
    with pytest.raises(UsageError, match="99"):
        replace(models[0], accuracy=99.0)
