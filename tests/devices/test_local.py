"""What becomes of a worker that misbehaves. Each test's worker is a few lines in place of the real one."""

from pathlib import Path

import pytest

from edgekit.devices import process
from edgekit.devices.device import Job
from edgekit.devices.drivers.local import LocalDevice
from edgekit.errors import ModelError, RuntimeCrashError, UsageError

HEAD = "import json, os, signal, sys, time\nrequest = json.loads(sys.stdin.readline())\n"
LOADING = "print(json.dumps({'phase': 'loading the file'}), flush=True)\n"


@pytest.fixture
def run(tmp_path):
    """Run one job in a worker with the given body; the result and the progress that it reported."""

    def start(body, **changes):
        folder = tmp_path / "worker"
        folder.mkdir()
        (folder / "__main__.py").write_text(HEAD + body)
        shares = []
        job = Job("measure", "litert", Path("model.tflite"), **changes)
        return LocalDevice(worker=folder).run(job, shares.append), shares

    return start


def test_the_result_and_the_progress_come_through(run):
    result, shares = run(
        "print(json.dumps({'progress': 0.5}))\nprint(json.dumps({'result': {'threads': request['threads']}}))",
        threads=3,
    )
    assert result == {"threads": 3}
    assert shares == [0.5]


def test_the_worker_gets_the_whole_path_of_the_model(run):
    result, _ = run("print(json.dumps({'result': {'model': request['model']}}))")
    assert result["model"] == str(Path("model.tflite").resolve())


def test_lines_that_are_not_messages_are_passed_over(run):
    result, _ = run("print('INFO: hello')\nprint('[1]')\nprint(json.dumps({'result': {'ok': 1}}))")
    assert result == {"ok": 1}


def test_an_illegal_instruction_is_named_with_the_phase(run):
    with pytest.raises(RuntimeCrashError, match=r"LiteRT was ended by SIGILL while loading the file .*illegal"):
        run(LOADING + "os.kill(os.getpid(), signal.SIGILL)")


@pytest.mark.parametrize(("name", "reason"), [("SIGSEGV", "damaged"), ("SIGKILL", "want of memory")])
def test_a_crash_is_an_error_with_a_way_out(run, name, reason):
    with pytest.raises(RuntimeCrashError, match=rf"model\.tflite: LiteRT was ended by {name} .*{reason}"):
        run(f"os.kill(os.getpid(), signal.{name})")


def test_a_crash_after_the_result_is_still_a_crash(run):
    with pytest.raises(RuntimeCrashError, match="SIGSEGV"):
        run("print(json.dumps({'result': {}}), flush=True)\nos.kill(os.getpid(), signal.SIGSEGV)")


def test_a_worker_that_ends_without_a_result_says_its_last_words(run):
    with pytest.raises(RuntimeCrashError, match=r"status 1 while loading the file \(ValueError: no such kernel\)"):
        run(LOADING + "raise ValueError('no such kernel')")


def test_a_worker_that_dies_before_it_is_asked_is_an_error(tmp_path):
    (tmp_path / "__main__.py").write_text("import os\nos._exit(7)")
    with pytest.raises(RuntimeCrashError, match="status 7 while starting"):
        LocalDevice(worker=tmp_path).run(Job("measure", "ort", Path("model.onnx")), lambda share: None)


@pytest.mark.parametrize("alarm", ["signal.alarm(request['limit_s'])\n", ""])
def test_a_hang_ends_with_the_time_limit(run, alarm, monkeypatch):
    monkeypatch.setattr(process, "GRACE_S", 0.5)
    with pytest.raises(RuntimeCrashError, match="did not finish within 1 s while loading the file"):
        run(alarm + LOADING + "time.sleep(60)", limit_s=1)


@pytest.mark.parametrize(
    ("kind", "error", "text"),
    [
        ("model", ModelError, r"model\.tflite is not a model that LiteRT runs \(why\)"),
        ("runtime", UsageError, "LiteRT is needed to measure model.tflite, but why"),
        ("memory", RuntimeCrashError, "needs more memory"),
    ],
)
def test_a_refusal_becomes_the_error_of_its_kind(run, kind, error, text):
    with pytest.raises(error, match=text):
        run(f"print(json.dumps({{'error': {{'kind': '{kind}', 'text': 'why'}}}}))")


def test_a_runtime_that_is_not_installed_is_a_clear_error(tmp_path, monkeypatch):
    monkeypatch.delenv("EDGEKIT_TFLITE_RUNTIME_PYTHON", raising=False)
    with pytest.raises(UsageError, match="pip install tflite-runtime"):
        LocalDevice().run(Job("measure", "tflite-runtime", tmp_path / "model.tflite"), lambda share: None)
