"""What a candidate costs is known from its untrained file, and what cannot be known is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.catalog import Architecture
from edgekit.devices.cards import device_card
from edgekit.devices.drivers.null import NullDevice
from edgekit.devices.latency.predict import predict
from edgekit.errors import UsageError
from edgekit.inputs.contract import InputContract
from edgekit.quantization.untrained import untrained_int8
from edgekit.search import costs
from edgekit.search.costs import Costs, Gauge, describe
from edgekit.search.records import SearchOptions, milliseconds
from edgekit.zoo import build

BOARD = "raspberry-pi-4b"


@pytest.fixture(scope="module")
def model() -> bytes:
    network = build(Architecture("staged", {"widths": [8, 8, 8]}), (16, 16, 3), 3)
    return untrained_int8(network, InputContract(16, 16, 3), tuple("abc"))


def test_a_limit_is_met_or_passed_by_a_share() -> None:
    costs, limits = Costs(1200, 2.0), Costs(1000, 2.0)
    assert costs.beyond(limits) == {"bytes": pytest.approx(0.2)}
    assert describe(costs.beyond(limits), costs) == "1,200 B (+20%)"
    assert Costs(1000, 2.0).beyond(limits) == {}


def test_a_boards_latency_is_the_one_that_profile_predicts(model: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_bytes(model)
    table = next(
        one for one in predict(tmp_path / "model.tflite", device_card(BOARD), "litert") if one.table.threads == 1
    )
    assert Gauge(Costs(), BOARD).costs(model) == Costs(len(model), table.latency_ms)


def test_a_device_that_runs_files_measures_them(model: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "open_device", lambda name: NullDevice())
    found = Gauge(Costs(latency_ms=3.0), "null").costs(model)
    assert found.latency_ms == pytest.approx(1.0, rel=0.01)


def test_the_device_forgets_what_was_measured(model: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    device = NullDevice()
    forgotten: list[Path] = []
    monkeypatch.setattr(device, "forget", forgotten.append)
    monkeypatch.setattr(costs, "open_device", lambda name: device)
    Gauge(Costs(latency_ms=3.0), "null").costs(model)
    assert forgotten == [job.model for job in device.jobs]


def test_what_its_bytes_forbid_is_not_looked_at_further(model: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    device = NullDevice()
    monkeypatch.setattr(costs, "open_device", lambda name: device)
    assert Gauge(Costs(bytes=100), "null").costs(model) == Costs(len(model))
    assert device.jobs == []


@pytest.mark.parametrize(
    ("limits", "device", "message"),
    [
        (Costs(latency_ms=1.0), "", "name one with --device"),
        (Costs(instructions=1e6), "cpu", "counted on an emulated board"),
    ],
)
def test_a_limit_that_nothing_tells_is_refused(limits: Costs, device: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        _ = Gauge(limits, device).opened


def test_a_number_of_threads_that_is_not_known_is_refused(model: bytes) -> None:
    with pytest.raises(UsageError, match=r"predicted for .* threads, not --threads 99"):
        Gauge(Costs(), BOARD, threads=99).costs(model)


def test_a_device_without_latency_for_int8_in_litert_is_refused(
    model: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "toaster.toml").write_text('summary = "a toaster"\ndriver = "board"\n')
    monkeypatch.setenv("EDGEKIT_DEVICES", str(tmp_path))
    with pytest.raises(UsageError, match="toaster has no latency table for LiteRT"):
        Gauge(Costs(), "toaster").costs(model)


@pytest.mark.parametrize(
    ("text", "expected"), [("5ms", 5.0), ("5", 5.0), ("0.8 ms", 0.8), ("300us", 0.3), ("1s", 1000.0)]
)
def test_times_are_read_as_people_write_them(text: str, expected: float) -> None:
    assert milliseconds(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["fast", "-1ms", "0", "5 minutes"])
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--max-latency takes a time"):
        SearchOptions(max_latency=text)
