"""Published rows become tables; their errors are those on networks whose family the fit has not seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fit import fit, fit_published, hold_out
from latency.published import grouped, published_rows
from latency.rebuild import rebuild

from edgekit.devices.cards import card_paths
from edgekit.devices.latency.model import GROUPED, features
from edgekit.devices.latency.tables import MARK
from edgekit.errors import DataError

RATES = np.array([0.05, 0.6, 0.4, 20_000.0])


@pytest.fixture(scope="module")
def rows():
    """Rows of two boards, one of them with two networks only, that follow the model exactly."""
    pattern = published_rows()[0]
    made = []
    for board, scale, names in (
        ("fast", 1.0, ["googlenet", "mnasnet", *(f"mobilenet-v{v}-1.0-{s}" for v in (1, 2) for s in (96, 160, 224))]),
        ("slow", 3.0, ["resnet-18", "squeezenet-1.1"]),
    ):
        for name in names:
            latency = float(features(rebuild(name), tuple(GROUPED)) @ RATES) / 1e6 * scale
            known = {"runtime": "tflite-xnnpack", "precision": "float32", "threads": 1}
            made.append(replace(pattern, board=board, network=name, latency_ms=latency, **known))
    return tuple(made)


def test_every_published_row_names_its_source_and_a_network_that_can_be_rebuilt():
    rows = published_rows()
    assert len(rows) > 500
    assert all(row.source and row.family for row in rows)


def test_held_out_networks_of_a_device_that_follows_the_model_are_predicted(rows):
    held_out = hold_out(grouped(rows))
    assert len(held_out) == len(rows)
    assert np.median([abs(item.error) for item in held_out if item.row.board == "fast"]) < 0.1


def test_a_board_with_few_rows_borrows_the_proportions_of_one_with_many(rows):
    table = next(table for group, table in fit_published(rows).tables.items() if group.board == "slow")
    expected = 3 * float(features(rebuild("mnasnet"), tuple(GROUPED)) @ RATES) / 1e6
    assert table.predict(rebuild("mnasnet")).latency_ms == pytest.approx(expected, rel=0.15)


def test_a_table_of_one_family_has_no_error_to_show(rows):
    alone = tuple(row for row in rows if row.board == "fast" or row.network == "resnet-18")
    result = fit_published(alone)
    table = next(table for group, table in result.tables.items() if group.board == "slow")
    assert (table.families, table.median_error) == (1, None)
    assert result.untested == 1


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The result of the command, and the folder with the cards that it wrote."""
    folder = tmp_path_factory.mktemp("cards")
    return fit(None, folder), folder


def test_fit_writes_the_tables_below_the_card(written):
    text = (written[1] / "raspberry-pi-4b.toml").read_text()
    assert text.startswith(device_card_text("raspberry-pi-4b").partition(MARK)[0].rstrip())
    assert text.count("[[latency]]") == text.partition(MARK)[2].count("[[latency]]") > 4


def device_card_text(name: str) -> str:
    return card_paths()[name].read_text()


def test_the_cards_hold_what_the_published_rows_give(written):
    for name in ("raspberry-pi-3b-plus", "raspberry-pi-4b", "raspberry-pi-5"):
        assert (written[1] / f"{name}.toml").read_text() == device_card_text(name)


def test_the_bar_for_networks_of_families_not_seen_is_met(written):
    figures = written[0].summary()
    assert figures["median_error"] <= 0.15
    assert figures["within_35_percent"] >= 0.90
    assert figures["covered"] >= 0.90


def test_a_wrong_row_is_named_by_its_line(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text(
        "board,clock_mhz,runtime,version,precision,threads,network,latency_ms,source\nx,1,y,1,int8,1,z,-3,w\n"
    )
    with pytest.raises(DataError, match="line 2"):
        published_rows(path)
