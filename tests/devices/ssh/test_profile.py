"""The command ``profile`` with devices over SSH."""

from __future__ import annotations

import json
import shutil

import pytest
from ssh_server import MODEL, Server, free_port

from edgekit.cli.main import main
from edgekit.devices.latency.model import LatencyTable, Prediction
from edgekit.errors import UsageError
from edgekit.profiling.profile import profile
from edgekit.profiling.records import ProfileOptions

QUICK = ("--seconds", "0.05", "--runs", "20")


@pytest.fixture
def edgekit(monkeypatch, capsys):
    """Run the command line; its exit status, stdout and stderr."""

    def run(*words):
        monkeypatch.setattr("sys.argv", ["edgekit", *map(str, words)])
        try:
            main()
        except SystemExit as exc:
            return exc.code or 0, *capsys.readouterr()
        return 0, *capsys.readouterr()

    return run


@pytest.fixture
def second(server, tmp_path):
    """Another device: the same machine behind another port, with a temporary folder of its own."""
    folder, there = tmp_path / "second", tmp_path / "second_there"
    shutil.copytree(server.folder, folder)
    there.mkdir()
    made = Server(folder, there, free_port(), {**server.environment, "TMPDIR": str(there)})
    server.know(made.port)
    made.start()
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    """Room for the longest address beside the longest sentence, so that a device is a line of the table."""
    monkeypatch.setenv("COLUMNS", "200")


def test_a_file_is_profiled_there_with_every_figure_measured(server, edgekit):
    status, out, _ = edgekit("profile", MODEL, "--device", server.address, *QUICK, "--json")
    document = json.loads(out)
    model = document["models"][0]
    assert (status, document["device"], document["provenance"]) == (0, server.address, "measured")
    assert model["latency"]["n"] == len(model["samples_ns"]) >= 20
    assert model["operators"]["sum_ns"] > 0
    assert model["memory"]["model_bytes"] > 0
    assert {"governor", "clock_mhz", "clock_mhz_after", "temperature_c", "throttled", "load_average"} <= set(
        model["machine"]
    )
    assert server.left_behind(0) == []


def test_two_files_take_turns_there(server, edgekit):
    status, out, _ = edgekit("profile", MODEL, MODEL.with_suffix(".onnx"), "--device", server.address, *QUICK, "--json")
    document = json.loads(out)
    assert (status, len(document["models"]), document["no_ratios"]) == (0, 2, "")
    assert server.left_behind(0) == []


def test_accuracy_there_is_that_here(server, edgekit):
    status, out, _ = edgekit("evaluate", MODEL, "--device", server.address, "--images", "50", "--json")
    agreement = json.loads(out)["evaluations"][0]["agreement"]
    assert (status, agreement["provenance"], agreement["images"], agreement["differing"]) == (0, "measured", 50, 0)
    assert server.left_behind(0) == []


def test_several_devices_run_side_by_side(server, second, edgekit):
    devices = ("--device", server.address, "--device", "cpu", "--device", second.address)
    status, out, err = edgekit("profile", MODEL, *devices, *QUICK)
    assert status == 0, err
    table = [line.split()[0] for line in out.split("Side by side")[1].splitlines() if MODEL.name in line]
    assert table == [server.address, "cpu", second.address]
    assert server.left_behind(0) == second.left_behind(0) == []


def test_a_device_that_fails_does_not_spoil_the_others(server, second, edgekit):
    second.stop()
    devices = ("--device", second.address, "--device", server.address)
    status, out, err = edgekit("profile", MODEL, *devices, *QUICK, "--json")
    failed, measured = json.loads(out)["devices"]
    assert status == 1
    assert failed["device"] == second.address
    assert "Connection refused" in failed["error"]
    assert measured["models"][0]["latency"]["n"] >= 20
    assert f"1 of 2 devices gave no figures: {second.address}" in err


def not_set_up(card):
    raise UsageError(f"{card.name} is not set up here.")


def test_a_measured_device_beside_a_predicted_one_is_marked(server, edgekit, monkeypatch):
    table = LatencyTable("litert", "int8", 1, {"constant": 1.0}, "rows", 9, 3, 0.1, 0.3, low=0.8, high=1.25)
    found = (Prediction(2.0, 1.6, 2.5, table),)
    monkeypatch.setattr("edgekit.profiling.profile.predict", lambda *_: found)
    monkeypatch.setattr("edgekit.devices.drivers.board.installation", not_set_up)
    devices = ("--device", "raspberry-pi-4b", "--device", server.address)
    status, out, err = edgekit("profile", MODEL, *devices, *QUICK)
    lines = [line for line in out.split("Side by side")[1].splitlines() if MODEL.name in line]
    assert status == 0, err
    assert [line.split()[0] for line in lines] == ["raspberry-pi-4b", server.address]
    assert "2.0 ms (1.6–2.5, predicted)" in lines[0]
    assert "measured, p50" in lines[1]


@pytest.mark.parametrize("names", [("cpu", "cpu"), ("ssh://pi@board/", "cpu", "ssh://pi@board")])
def test_a_device_named_twice_is_refused(names):
    with pytest.raises(UsageError, match="is named twice"):
        profile(ProfileOptions((str(MODEL),), names))
