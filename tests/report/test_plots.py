from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from xml.etree import ElementTree

import matplotlib as mpl
import pytest

from edgekit.report import plots
from edgekit.report.record import ModelRow

Models = tuple[ModelRow, ...]
CLASSES = ("zero", "one", "two")
PLOTS: tuple[Callable[[Models], str], ...] = (
    plots.accuracy_against_size,
    plots.latency_distribution,
    lambda models: plots.per_class_accuracy(models, CLASSES),
    lambda models: plots.operator_times(models[-1], 1),
)
HOSTILE = ("<script>alert(1)</script>", "$\\frac{$ --> ]]>", "数字\x00\n\t")


def texts(svg: str) -> list[str]:
    return [node.text or "" for node in ElementTree.fromstring(svg).iter("text")]


@pytest.mark.parametrize("plot", PLOTS)
def test_a_plot_is_inline_svg_that_refers_to_nothing_outside(plot: Callable[[Models], str], models: Models) -> None:
    svg = plot(models)
    assert svg.startswith("<svg ")
    assert "://" not in svg
    assert "<style" not in svg
    assert "<metadata" not in svg


@pytest.mark.parametrize("plot", PLOTS)
def test_every_colour_of_a_plot_comes_from_the_page(plot: Callable[[Models], str], models: Models) -> None:
    svg = plot(models)
    assert "var(--" in svg
    colours = {
        value.strip()
        for node in ElementTree.fromstring(svg).iter()
        for part in node.get("style", "").split(";")
        for name, _, value in [part.partition(":")]
        if name.strip() in ("fill", "stroke")
    }
    assert all(colour == "none" or colour.startswith("var(--") for colour in colours), colours


def test_ids_are_unique_and_every_reference_has_its_target(models: Models) -> None:
    page = "<page>" + "".join(plot(models) for plot in PLOTS) + "</page>"
    nodes = list(ElementTree.fromstring(page).iter())
    ids = [node.get("id") for node in nodes if node.get("id")]
    assert len(ids) == len(set(ids))
    assert {node.get("href") for node in nodes if node.get("href")} <= {f"#{name}" for name in ids}


def test_the_same_rows_give_the_same_svg(models: Models) -> None:
    assert [plot(models) for plot in PLOTS] == [plot(models) for plot in PLOTS]


def test_drawing_changes_no_global_setting(models: Models) -> None:
    before = dict(mpl.rcParams)
    plots.accuracy_against_size(models)
    assert dict(mpl.rcParams) == before


def test_hostile_names_come_out_as_plain_text(models: Models) -> None:
    named = tuple(replace(model, role=HOSTILE[0]) for model in models)
    found = [text for plot in PLOTS[:2] for text in texts(plot(named))]
    assert any("<script>" in text for text in found)
    assert "<script" not in plots.accuracy_against_size(named)
    assert texts(plots.per_class_accuracy(models, HOSTILE))


def test_the_latency_plot_marks_the_median_and_counts_the_samples(models: Models) -> None:
    found = texts(plots.latency_distribution(models))
    assert sum(text.startswith("p50 ") for text in found) == 2
    assert found.count("n = 400") == 2


def test_outliers_do_not_squeeze_the_latency_plot_but_are_counted(models: Models) -> None:
    latency = models[1].latency
    assert latency is not None
    slow = replace(latency, samples_ns=(*latency.samples_ns, 10**9))
    found = texts(plots.latency_distribution((replace(models[1], latency=slow),)))
    assert "1 slower →" in found


def test_of_many_classes_the_weakest_are_shown(models: Models) -> None:
    shares = tuple(1 - index / 1000 for index in range(100))
    model = replace(models[1], per_class=shares)
    assert plots.classes_shown((model,), [str(index) for index in range(100)]) == list(range(80, 100))


def test_a_class_without_test_images_leaves_a_gap(models: Models) -> None:
    model = replace(models[1], per_class=(0.9, None, 1.0))
    assert "one" in texts(plots.per_class_accuracy((model,), CLASSES))


def test_operators_faster_than_the_profilers_clock_are_drawn(models: Models) -> None:
    fast = replace(models[-1], operators=(("FULLY_CONNECTED", 0.0), ("SOFTMAX", 0.0)))
    assert "0%" in texts(plots.operator_times(fast, 0))


def test_long_names_are_cut_to_one_printable_line() -> None:
    assert plots.shorten("a\nb" + "c" * 50) == "a b" + "c" * 20 + "…"
