"""What a card's tables predict of a file, and what is said instead where there is none that serves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgekit.catalog import resolve_model
from edgekit.devices.cards import device_card
from edgekit.devices.latency.predict import find_tables, latency_tables, predict
from edgekit.devices.latency.tables import MARK, with_tables
from edgekit.devices.latency.workload import Workload, convolution
from edgekit.errors import UsageError

NETWORK = Workload("float32", (convolution(rows=10_000, depth=64, columns=64, window=9),))


def test_tables_written_twice_stand_there_once():
    tables = latency_tables(device_card("raspberry-pi-4b"))
    once = with_tables('summary = "x"\n', tables)
    assert with_tables(once, tables) == once
    assert with_tables(once, ()) == 'summary = "x"\n'


def test_tables_take_the_place_of_those_below_another_command_s_mark():
    tables = latency_tables(device_card("raspberry-pi-4b"))
    older = MARK.replace(" or benchmarks/devices/fit.py", "")
    assert with_tables(f'summary = "x"\n\n{older}\n\n[[latency]]\n', tables) == with_tables('summary = "x"\n', tables)


def test_a_board_without_enough_rows_says_so():
    with pytest.raises(UsageError, match=r"raspberry-pi-zero-2w has no latency table for LiteRT.*; measure there with"):
        find_tables(device_card("raspberry-pi-zero-2w"), "litert", NETWORK)


def test_a_missing_precision_names_those_that_there_are():
    (table, *_) = latency_tables(device_card("raspberry-pi-4b"))
    card = replace(device_card("raspberry-pi-4b"), latency=(replace(table, runtime="ort", precision="int8").to_dict(),))
    with pytest.raises(UsageError, match=r"ONNX Runtime, float32: .*there is one for int8, or measure"):
        find_tables(card, "ort", NETWORK)


def test_tables_of_kernels_serve_every_runtime_that_has_them():
    card = device_card("raspberry-pi-4b")
    expected = {"litert": "tflite-xnnpack", "tflite-runtime": "tflite-xnnpack", "litert-builtin": "tflite-builtin"}
    for runtime, kernels in expected.items():
        tables = find_tables(card, runtime, NETWORK)
        assert {table.runtime for table in tables} == {kernels}
        assert [table.threads for table in tables] == sorted(table.threads for table in tables)
    with pytest.raises(UsageError, match="no latency table for LiteRT reference kernels"):
        find_tables(card, "litert-reference", NETWORK)


def test_a_network_much_smaller_than_any_known_one_is_not_guessed():
    card = device_card("raspberry-pi-4b")
    with pytest.raises(
        UsageError, match=r"takes 0\.\d+ million multiply-accumulates, far from the [0-9.]+ to [0-9,]+ million"
    ):
        predict(resolve_model("mnist-tiny", ".tflite"), card, "litert")
