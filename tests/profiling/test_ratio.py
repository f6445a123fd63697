import json
from dataclasses import replace

import numpy as np
import pytest

from edgekit.devices.device import Can
from edgekit.devices.drivers.null import ANSWERS, NullDevice
from edgekit.errors import RuntimeCrashError
from edgekit.modelfiles.model_ref import ModelRef
from edgekit.profiling.profile import profile, profile_on
from edgekit.profiling.ratio import episode_ratios, ratio_interval
from edgekit.profiling.records import ProfileOptions, ProfileResult


class Board(NullDevice):
    abilities = Can.TIME | Can.TURN


@pytest.fixture
def board(monkeypatch):
    device = Board()
    monkeypatch.setattr("edgekit.profiling.profile.open_device", lambda name: device)
    return device


def test_an_episode_compares_turns_of_the_same_round():
    fast_then_slow = [1.0, 1.0, 3.0, 3.0]
    assert episode_ratios([[fast_then_slow, [2 * time for time in fast_then_slow]]], 1) == (2.0,)


def test_the_interval_is_that_of_the_median_of_the_episodes():
    assert ratio_interval([float(rank) for rank in range(1, 13)]) == (6.5, 3.0, 10.0)


def test_one_disturbed_episode_does_not_widen_the_interval():
    assert ratio_interval([*[1.0] * 11, 5.0]) == (1.0, 1.0, 1.0)


def test_the_interval_of_a_file_against_itself_holds_1_about_95_times_in_100():
    rng = np.random.default_rng(3)
    hits = 0
    for _ in range(400):
        layout = rng.normal(1, 0.02, (12, 2, 1))
        _, low, high = ratio_interval(episode_ratios(layout * rng.lognormal(0, 0.01, (12, 2, 10)), 1))
        hits += low <= 1 <= high
    assert 372 <= hits <= 396


def test_files_of_one_command_take_turns_and_the_first_is_the_reference(board, onnx_file, tflite_file):
    result = profile(
        ProfileOptions(
            (str(onnx_file), str(tflite_file)),
            pin="1",
        )
    )
    (ratio,) = result.devices[0].ratios
    assert (ratio.file, ratio.reference) == (str(tflite_file), str(onnx_file))
    assert ratio.ratio == pytest.approx(1.1)
    assert (len(ratio.episodes), ratio.rounds, ratio.differs) == (12, 48, True)
    job = board.jobs[-1]
    assert (job.task, job.others, job.pin) == ("turns", (("litert", tflite_file),), "1")
    assert json.loads(json.dumps(result.to_dict()))["ratios"][0]["differs"] is True
    assert "slower" in str(result)


def test_a_single_file_has_nothing_to_take_turns_with(board, onnx_file):
    assert profile(ProfileOptions((str(onnx_file),))).devices[0].ratios == ()
    assert "turns" not in {job.task for job in board.jobs}


def test_files_take_no_turns_where_nobody_asks_for_them(board, onnx_file):
    assert profile(ProfileOptions((str(onnx_file),) * 2, turns=False)).devices[0].ratios == ()


def test_a_device_on_which_files_cannot_take_turns_is_not_asked_to(board, onnx_file):
    board.can = Can.TIME
    (found,) = profile(ProfileOptions((str(onnx_file),) * 2)).devices
    assert found.no_ratios == "on null files do not take turns, each was measured alone"
    assert "turns" not in {job.task for job in board.jobs}


def test_files_that_cannot_take_turns_keep_their_own_measurements(board, onnx_file, monkeypatch):
    def crash(*_):
        raise RuntimeCrashError("they do not get along.")

    monkeypatch.setattr("edgekit.profiling.profile.compare_latency", crash)
    result = profile(ProfileOptions((str(onnx_file),) * 2))
    assert len(result.models) == 2
    assert result.devices[0].no_ratios == "they do not get along."
    assert "not compared: they do not get along." in str(result)


def test_an_interval_around_1_is_no_difference(onnx_file):
    found = profile_on(NullDevice(), [ModelRef(onnx_file, "ort")], ProfileOptions())
    model = found.models[0]
    (ratio,) = _ratios([1.0] * 4 + [0.99] * 4 + [1.01] * 4)
    ratio = replace(ratio, file=model.file, reference=model.file)
    assert "no difference seen" in str(ProfileResult((replace(found, ratios=(ratio,)),)))
    assert not ratio.differs
    assert replace(ratio, low=1.001).differs


def _ratios(values):
    from pathlib import Path

    from edgekit.profiling.ratio import compare_latency

    episodes = [[[1.0] * 2, [value] * 2] for value in values]
    device = NullDevice(answers={**ANSWERS, "turns": {"episodes": episodes}})
    targets = [ModelRef(Path("a.onnx"), "ort"), ModelRef(Path("b.onnx"), "ort")]
    return compare_latency(targets, device, ProfileOptions(), lambda share: None)
