"""A shipped int8 file on emulated boards: real runtimes, real kernels, exact counts."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edgekit.catalog import network_card
from edgekit.cli.main import app
from edgekit.devices.device import Job, open_device
from edgekit.errors import GateError, ModelError, UsageError
from edgekit.evaluation.evaluate import EvaluateOptions, evaluate
from edgekit.modelfiles.model_ref import ModelRef
from edgekit.profiling.counts import count_runs
from edgekit.profiling.profile import profile, profile_on
from edgekit.profiling.records import DeviceProfile, ProfileOptions, ProfileResult

TINY = network_card("students", "mnist-tiny").folder / "model.int8.tflite"


def never(share: float) -> None:
    pass


def counted(board):
    (model,) = profile_on(board, [ModelRef(TINY, "litert")], ProfileOptions()).models
    return model


def test_a_file_is_counted_by_class_and_by_operator(board):
    found = counted(board).counting
    assert found.provenance == "emulated"
    assert found.counts.total == sum(
        found.counts.to_dict()[name] for name in ("integer", "branch", "load", "store")
    ) + sum(value for name, value in found.counts.to_dict().items() if name.startswith("vector"))
    assert found.spread < 0.002
    assert found.operators is not None
    assert 0.9 < sum(operator.counts.total for operator in found.operators) / found.counts.total <= 1
    assert found.operators[0].type.startswith("Convolution")
    assert found.heap_bytes > 10_000


def test_a_cortex_a76_gets_dot_product_kernels_and_a_cortex_a72_does_not(board):
    job = Job("count", "litert", TINY)
    plain, dot = (count_runs(open_device(name).run(job, never)["log"])[0] for name in (board.name, "raspberry-pi-5"))
    assert plain.vector_dot == 0
    assert dot.vector_dot > 0
    assert dot.total < plain.total


def test_files_counted_one_after_another_give_what_each_gives_alone(board):
    linear = TINY.parents[1] / "mnist-linear" / TINY.name
    both = count_runs(board.run(Job("count", "litert", TINY, others=(("litert", linear),)), never)["log"])
    alone = count_runs(board.run(Job("count", "litert", linear), never)["log"])
    assert len(both) == 2 * len(alone)
    assert both[-1].total == pytest.approx(alone[-1].total, abs=2000)  # what calling costs from Python differs
    assert both[0].total > 10 * both[-1].total


def test_what_was_counted_takes_the_place_of_what_layers_let_expect(board):
    model = counted(board)
    (alone, *_) = model.predictions
    assert alone.is_counted
    assert alone.instructions == model.counting.counts.total


def test_int8_outputs_are_identical_to_this_machines(emulator, small_mnist):
    (found,) = evaluate(
        EvaluateOptions((str(TINY),), str(small_mnist), device="raspberry-pi-4b", images=50)
    ).evaluations
    assert found.figures.images == 50
    assert found.agreement.images == 50
    assert found.agreement.differing == 0
    assert found.agreement.provenance == "emulated"
    assert found.figures.accuracy > 0.9


def test_a_file_that_does_not_run_there_is_a_finding(board, monkeypatch):
    def refuse(job, watch):
        raise ModelError("model.tflite needs SVE")

    monkeypatch.setattr(board, "run", refuse)
    model = counted(board)
    assert model.counting is None
    assert model.finding == "model.tflite needs SVE"
    with pytest.raises(ModelError, match=r"does not run on raspberry-pi-4b: model\.tflite needs SVE"):
        ProfileResult((DeviceProfile(board.name, models=(model,)),)).deliver(lambda: None)


def test_times_are_not_to_be_had(board):
    with pytest.raises(UsageError, match="emulated and has no times"):
        board.run(Job("measure", "litert", TINY), never)


def test_a_file_compared_with_itself_changes_by_nothing_and_a_budget_is_a_check(emulator):
    command = ["profile", str(TINY), str(TINY), "--device", "raspberry-pi-4b", "--json", "--budget", "instructions=1e5"]
    done = CliRunner().invoke(app, command)
    assert isinstance(done.exception, GateError)
    assert done.exception.exit_status == 3
    document = json.loads(done.stdout)
    assert document["provenance"] == "emulated"
    assert abs(document["changes"][0]["instructions"]) < 0.002
    assert document["changes"][0]["size"] == 0


def test_a_damaged_file_is_refused_before_it_gets_there(emulator, tmp_path):
    damaged = Path(tmp_path) / "damaged.tflite"
    damaged.write_bytes(TINY.read_bytes()[:5000])
    with pytest.raises(ModelError, match=r"damaged\.tflite"):
        profile(ProfileOptions((str(damaged),), ("raspberry-pi-4b",)))
