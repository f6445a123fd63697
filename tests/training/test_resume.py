from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from edgekit.cli.main import app
from edgekit.data.dataset import Dataset
from edgekit.errors import DataError, TrainingError, UsageError
from edgekit.training import checkpoint

CLOCK = {"timing.jsonl"}


def command(data: Path, out: Path, *more: str) -> list[str]:
    options = ["--student", "mnist-linear", "--data", str(data), "--epochs", "6", "--seed", "5", "--out", str(out)]
    return ["distill", *options, *more]


def run(*arguments: str) -> None:
    app(list(arguments), standalone_mode=False)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.name not in CLOCK}


@pytest.mark.parametrize("delay_s", [0.0, 0.02, 0.1])
def test_a_run_killed_at_any_moment_resumes_to_the_same_files(
    small_mnist: Path, tmp_path: Path, delay_s: float
) -> None:
    run(*command(small_mnist, tmp_path / "calm"))
    killed = tmp_path / "killed"
    process = subprocess.Popen(
        [sys.executable, "-m", "edgekit", *command(small_mnist, killed)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ,
    )
    while not (killed / "checkpoint.pt").exists():
        assert process.poll() is None
        time.sleep(0.002)
    time.sleep(delay_s)
    process.send_signal(signal.SIGKILL)
    process.wait()
    run(*command(small_mnist, killed, "--resume"))
    assert contents(killed) == contents(tmp_path / "calm")


def test_a_run_interrupted_after_an_epoch_resumes_to_the_same_files(
    small_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgekit.training import loop

    def stop(path: Path, epoch: int, *seconds: float) -> None:
        if epoch == 4:
            raise ConnectionAbortedError

    run(*command(small_mnist, tmp_path / "calm"))
    with monkeypatch.context() as patch:
        patch.setattr(loop, "_note_time", stop)
        with pytest.raises(ConnectionAbortedError):
            run(*command(small_mnist, tmp_path / "stopped"))
    run(*command(small_mnist, tmp_path / "stopped", "--resume"))
    assert contents(tmp_path / "stopped") == contents(tmp_path / "calm")


def test_metrics_have_one_line_per_epoch(small_mnist: Path, tmp_path: Path) -> None:
    run(*command(small_mnist, tmp_path))
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert lines[-1]["loss"] < lines[0]["loss"]
    assert lines[-1]["validation_accuracy"] > 0.7
    record = json.loads((tmp_path / "distill.json").read_text())
    assert record["validation_accuracy"] == lines[-1]["validation_accuracy"]
    assert record["teacher_test_accuracy"] > 0.98


def test_resume_with_other_options_is_refused(small_mnist: Path, tmp_path: Path) -> None:
    run(*command(small_mnist, tmp_path))
    with pytest.raises(UsageError, match="another recipe"):
        run(*command(small_mnist, tmp_path, "--resume", "--temperature", "3"))


def test_a_run_with_other_threads_says_how_to_have_as_many(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, {"run": {"threads": 3}, "metrics": []})
    with pytest.raises(UsageError, match="3 threads, not 2; set OMP_NUM_THREADS=3 to --resume"):
        checkpoint.load(tmp_path, {"threads": 2})


def test_a_field_that_recipes_have_got_since_is_as_by_default(small_mnist: Path, tmp_path: Path) -> None:
    run(*command(small_mnist, tmp_path))
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    del state["run"]["recipe"]["schedule"], state["run"]["recipe"]["augmentation"]["crop"]
    torch.save(state, tmp_path / "checkpoint.pt")
    run(*command(small_mnist, tmp_path, "--resume"))


def test_divergence_stops_and_keeps_the_last_good_checkpoint(
    small_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgekit.training import loop

    steps_per_epoch = 1200 // 128
    monkeypatch.setattr(
        loop, "_learning_rate", lambda recipe, steps, step: 1e-3 if step < 2 * steps_per_epoch else 1e30
    )
    with pytest.raises(TrainingError, match=r"diverged.*epoch 3"):
        run(*command(small_mnist, tmp_path))
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 2
    assert (tmp_path / "checkpoint.pt").exists()
    assert not (tmp_path / "model.onnx").exists()


def test_a_broken_checkpoint_is_named(small_mnist: Path, tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(TrainingError, match=r"checkpoint\.pt is not a readable checkpoint"):
        run(*command(small_mnist, tmp_path, "--resume"))


def test_too_little_data_for_one_batch_is_said(small_mnist: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="fewer than one batch of 5000"):
        run(*command(small_mnist, tmp_path, "--batch-size", "5000"))


def test_few_images_are_learned_in_smaller_batches_than_the_recipes(
    mnist: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = np.concatenate([np.flatnonzero(mnist.train.labels == digit)[:7] for digit in range(10)])
    np.savez(tmp_path / "few.npz", images=mnist.train.images[rows], labels=mnist.train.labels[rows])
    run(*command(tmp_path / "few.npz", tmp_path / "out"))
    assert json.loads((tmp_path / "out" / "distill.json").read_text())["recipe"]["batch_size"] == 12
    said = capsys.readouterr().err
    assert "50 training images are no batch of 128: they are learned in batches of 12" in said
    assert f"next: edgekit quantize --int8 {tmp_path / 'out'} --data {tmp_path / 'few.npz'}\n" in said


def test_training_without_labels_is_refused_before_it_begins(tmp_path: Path) -> None:
    np.savez(tmp_path / "unlabelled.npz", images=np.zeros((300, 28, 28), np.uint8))
    with pytest.raises(DataError, match="no labelled train images"):
        run(*command(tmp_path / "unlabelled.npz", tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_resume_with_another_teacher_is_refused(small_mnist: Path, tmp_path: Path) -> None:
    run(*command(small_mnist, tmp_path))
    with pytest.raises(UsageError, match="another teacher"):
        run(*command(small_mnist, tmp_path, "--resume", "--teacher-mean", "0.2"))


def test_resume_of_another_network_is_refused(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, {"run": {"seed": 0, "network": "resnet8"}, "metrics": []})
    with pytest.raises(UsageError, match="another network"):
        checkpoint.load(tmp_path, {"seed": 0, "network": "ds_cnn"})


def test_a_checkpoint_with_a_flipped_bit_is_refused(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, {"run": {}, "metrics": [], "weights": torch.ones(1000)})
    assert checkpoint.load(tmp_path, {}) is not None
    path = tmp_path / "checkpoint.pt"
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(TrainingError, match=r"checkpoint\.pt is not a readable checkpoint \(its part .* is damaged"):
        checkpoint.load(tmp_path, {})


def test_weights_that_the_last_step_of_an_epoch_broke_are_not_kept(
    small_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgekit.training import loop

    last = 2 * (1200 // 128) - 1
    monkeypatch.setattr(loop, "_learning_rate", lambda recipe, steps, step: math.inf if step == last else 1e-3)
    with pytest.raises(TrainingError, match="a weight is no longer a number after epoch 2"):
        run(*command(small_mnist, tmp_path))
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 1
    assert not (tmp_path / "model.onnx").exists()


def test_a_new_run_in_an_old_folder_begins_its_times_anew(small_mnist: Path, tmp_path: Path) -> None:
    (tmp_path / "timing.jsonl").write_text('{"epoch": 1, "seconds": 9.0}\n')
    (tmp_path / ".model.onnx.killed.part").touch()
    run(*command(small_mnist, tmp_path))
    assert not list(tmp_path.glob("*.part"))
    assert len((tmp_path / "timing.jsonl").read_text().splitlines()) == 6
