"""Counts and published rows become what is known of cores; errors are those on families that the fit has not seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fit import cell_of, costs_of, fit, fit_published, hold_out
from latency.cycles import Cell, solve
from latency.instructions import document, judged
from latency.layers import layer_models
from latency.published import published_rows

from edgekit.devices.latency.cores import core_file
from edgekit.devices.latency.model import PARTS
from edgekit.errors import DataError

RATES = np.array([1.0, 1.1, 1.0, 1.2, 0.5, 0.3, 2000.0])


@pytest.fixture(scope="module")
def rows():
    """Rows of one thread on a fast and a slow core that take exactly what these rates give."""
    pattern = replace(published_rows()[0], runtime="tflite-xnnpack", precision="float32", threads=1)
    made = []
    for board, cycles, names in (
        ("raspberry-pi-4b", 1.0, ["googlenet", *(f"mobilenet-v{v}-1.0-{s}" for v in (1, 2) for s in (96, 160, 224))]),
        ("raspberry-pi-3b-plus", 2.0, ["resnet-18"]),
    ):
        for name in names:
            row = replace(pattern, board=board, network=name)
            made.append(replace(row, latency_ms=float(costs_of([row])[0] @ (RATES * cycles))))
    return tuple(made)


def test_every_published_row_names_its_source_and_a_network_that_can_be_rebuilt():
    rows = published_rows()
    assert len(rows) > 500
    assert all(row.source and row.family for row in rows)


def test_held_out_networks_of_a_device_that_follows_the_model_are_predicted(rows):
    held_out = hold_out(rows)
    assert len(held_out) == len(rows)
    assert np.median([abs(item.error) for item in held_out if item.row.board == "raspberry-pi-4b"]) < 0.1


def test_one_row_tells_how_fast_a_core_is(rows):
    solution = solve([cell_of(row) for row in rows], costs_of(rows), np.array([row.latency_ms for row in rows]))
    fast, slow = (solution.rates(cell_of(row))[0][PARTS.index("products")] for row in (rows[0], rows[-1]))
    assert slow / fast == pytest.approx(2, rel=0.15)


def test_what_no_row_was_measured_on_takes_after_the_rest_and_is_doubted_more(rows):
    known = cell_of(rows[0])
    strange = Cell(known.core, "ort", "int8", 2)
    times = np.array([row.latency_ms for row in rows])
    solution = solve([cell_of(row) for row in rows], costs_of(rows), times, [strange])
    (rates, doubts), (other, more) = solution.rates(known), solution.rates(strange)
    assert other[0] < rates[0]
    assert more[0] > 2 * doubts[0]


def test_instructions_of_whole_networks_are_those_that_their_layers_let_expect():
    errors = [abs(np.log(expected / counted)) for *_, counted, expected in judged()]
    assert len(errors) > 50
    assert np.median(errors) < 0.1


def test_every_file_that_is_counted_is_one_that_the_command_would_write():
    counted = {name.partition(".")[0] for name in document("layers")["workloads"]}
    assert counted == {name for name, _ in layer_models()}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The result of the command, and the folder with the files that it wrote."""
    folder = tmp_path_factory.mktemp("cores")
    return fit(None, folder), folder


def test_the_catalog_holds_what_the_published_rows_give(written):
    for path in written[1].iterdir():
        assert path.read_text() == core_file(path.stem).read_text()


def test_the_bars_for_networks_of_families_not_seen_are_met(written):
    figures = written[0].summary()
    assert figures["rows"] == sum(row.runtime.startswith("tflite") for row in published_rows())
    assert figures["median_error"] <= 0.08
    assert figures["within_35_percent"] >= 0.95
    assert 0.88 <= figures["covered"] <= 0.96
    assert figures["median_error_pi_5_int8"] <= 0.12


def test_rows_of_other_runtimes_are_left_out(rows):
    ncnn = replace(rows[0], runtime="ncnn", latency_ms=1e6)
    assert len(fit_published([*rows, ncnn]).held_out) == len(rows)


def test_a_wrong_row_is_named_by_its_line(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text(
        "board,clock_mhz,runtime,version,precision,threads,network,latency_ms,source\nx,1,y,1,int8,1,z,-3,w\n"
    )
    with pytest.raises(DataError, match="line 2"):
        published_rows(path)
