"""A board of the catalog: what is predicted stands beside what is emulated, and each says what it is."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from onnx import helper
from typer.testing import CliRunner

from edgekit.artifact import Metadata
from edgekit.catalog import resolve_model
from edgekit.cli.main import app
from edgekit.conversion.tflite import lower
from edgekit.devices.cards import card_paths
from edgekit.errors import UsageError
from edgekit.graph.prepare import prepare
from edgekit.profiling.profile import profile
from edgekit.profiling.records import ProfileOptions
from tests.small_graphs import graph_of, noise


@pytest.fixture
def kitchen(tmp_path, monkeypatch):
    """A board of a known core and no emulator."""
    text = card_paths()["raspberry-pi-4b"].read_text().partition("[emulator]")[0]
    (tmp_path / "kitchen.toml").write_text(text)
    monkeypatch.setenv("EDGEKIT_DEVICES", str(tmp_path))
    return "kitchen"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A float .tflite file of 38 million multiply-accumulates, as large as published networks."""
    nodes = [
        helper.make_node("Conv", ["in", "w"], ["a"], pads=[1] * 4),
        helper.make_node("Conv", ["a", "v"], ["out"], pads=[1] * 4),
    ]
    graph = graph_of(nodes, {"in": (1, 3, 64, 64)}, {"w": noise(32, 3, 3, 3), "v": noise(32, 32, 3, 3)})
    path = tmp_path_factory.mktemp("model") / "two.tflite"
    path.write_bytes(lower(prepare(graph), Metadata()))
    return str(path)


def test_a_board_that_cannot_be_emulated_still_has_its_prediction(kitchen, model):
    (result,) = profile(ProfileOptions((model,), (kitchen,))).devices
    (found,) = result.models
    assert [prediction.table.threads for prediction in found.predictions] == [1, 2, 3, 4]
    assert all(item.low_ms < item.latency_ms < item.high_ms for item in found.predictions)
    assert (result.provenance, found.counting, result.uncounted) == ("predicted", None, "")


def test_that_instructions_were_counted_is_said_once_for_all_threads(kitchen, model):
    result = profile(ProfileOptions((model,), (kitchen,)))
    (device,) = result.devices
    (found,) = device.models
    assert "were counted" not in str(result)
    counted = replace(found, predictions=tuple(one.counted(9_000_000) for one in found.predictions))
    shown = str(replace(result, devices=(replace(device, models=(counted,)),)))
    assert shown.count("The instructions of two.tflite were counted") == 1


def test_predictions_are_marked_as_such_for_a_person_and_in_json(kitchen, model):
    shown = CliRunner().invoke(app, ["profile", model, "--device", kitchen])
    assert shown.exit_code == 0
    assert shown.output.count("predicted)") == 4
    document = json.loads(CliRunner().invoke(app, ["profile", model, "--device", kitchen, "--json"]).stdout)
    (found,) = document["models"]
    assert {prediction["provenance"] for prediction in found["predictions"]} == {"predicted"}


def test_kernels_without_xnnpack_are_predicted_from_their_own_tables(model, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    command = ["profile", model, "--device", "raspberry-pi-4b", "--runtime", "litert-builtin", "--json"]
    (found,) = json.loads(CliRunner().invoke(app, command).stdout)["models"]
    assert found["runtime"] == "litert-builtin"
    assert {item["table"]["runtime"] for item in found["predictions"]} == {"tflite-builtin"}


def test_what_is_neither_predicted_nor_emulated_is_an_error(kitchen):
    with pytest.raises(UsageError, match="has no latency table for LiteRT reference kernels"):
        profile(ProfileOptions((str(resolve_model("mnist-tiny", ".tflite")),), (kitchen,), runtime="litert-reference"))


def test_a_tiny_student_is_predicted_and_said_to_be_smaller_than_what_is_known(kitchen):
    shown = CliRunner().invoke(app, ["profile", "mnist-tiny@litert", "--device", kitchen, "--clock", "750"])
    assert shown.exit_code == 0
    assert shown.output.count("predicted)") == 4
    assert " ".join(shown.output.split()).count("is smaller than any network whose latency is known") == 1


def test_without_an_emulator_a_prediction_comes_with_one_remark(model, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    result = profile(
        ProfileOptions(
            (model, model),
            ("raspberry-pi-4b",),
        )
    )
    out = str(result)
    assert out.count("predicted)") == 8
    assert out.count("qemu-aarch64") == 1
    assert "Not emulated: " in out
    assert result.devices[0].provenance == "predicted"


def test_without_an_emulator_the_reason_why_nothing_is_predicted_comes_first(monkeypatch, capsys):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UsageError, match="has no latency table"):
        profile(ProfileOptions(("mnist-tiny@litert-reference",), ("raspberry-pi-4b",)))
    assert capsys.readouterr().err.count("qemu-aarch64") == 1


def test_a_clock_is_no_matter_of_choice_where_latency_is_measured(model):
    with pytest.raises(UsageError, match="leave it out where latency is measured"):
        profile(ProfileOptions((model,), ("cpu",), clock=1800.0))


@pytest.mark.parametrize("clock", ["1.8", "1.8e9", "nan"])
def test_a_clock_in_other_units_than_megahertz_is_refused(kitchen, clock):
    refused = CliRunner().invoke(app, ["profile", "mnist-tiny@litert", "--device", kitchen, "--clock", clock])
    assert refused.exit_code == 2
    assert "'--clock'" in refused.output


def test_a_budget_needs_counts(kitchen, model):
    with pytest.raises(UsageError, match="give it with an emulated board"):
        profile(ProfileOptions((model,), (kitchen,), budget="size=1000"))
