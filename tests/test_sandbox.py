"""The worker process: what comes through, what is stopped, and what the error says."""

from __future__ import annotations

import io
import os
import struct
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from edgekit.errors import DataError, ModelError, RuntimeCrashError, UnknownNameError
from edgekit.sandbox import Limits, Sandbox
from edgekit.sandbox_child import ProtocolError, receive, send


def echoed(value: object) -> object:
    stream = io.BytesIO()
    send(stream, value)
    stream.seek(0)
    return receive(stream)


def test_a_message_comes_through_as_it_was_sent() -> None:
    image = np.arange(6, dtype=np.int8).reshape(2, 3)
    result = echoed({"a": [1, 2.5, "text", None], "image": image, "scalar": np.zeros((), np.float32)})
    assert isinstance(result, dict)
    assert result["a"] == [1, 2.5, "text", None]
    np.testing.assert_array_equal(result["image"], image)
    assert result["image"].dtype == np.int8
    assert result["scalar"].shape == ()


def test_an_object_array_is_never_sent() -> None:
    with pytest.raises(ProtocolError):
        send(io.BytesIO(), np.array([object()]))


def test_text_from_a_file_is_never_taken_for_an_array() -> None:
    with pytest.raises(ProtocolError, match="__array__"):
        send(io.BytesIO(), {"operators": {"__array__": 1}})


@pytest.mark.parametrize(
    "head",
    [
        b"not json",
        b'{"value": 1}',
        b'{"value": 1, "arrays": [["object", [1]]]}',
        b'{"value": 1, "arrays": [["int8", [-1]]]}',
        b'{"value": 1, "arrays": [["int8", [4294967296, 4294967296]]]}',
    ],
)
def test_a_forged_message_is_refused_before_anything_is_allocated(head: bytes) -> None:
    with pytest.raises(ProtocolError):
        receive(io.BytesIO(struct.pack("<Q", len(head)) + head))


def test_a_message_of_a_forged_length_is_refused() -> None:
    with pytest.raises(ProtocolError):
        receive(io.BytesIO(struct.pack("<Q", 1 << 60)))


def test_a_function_runs_in_another_process() -> None:
    with Sandbox("nothing") as sandbox:
        assert sandbox.call("os:getpid") != os.getpid()
        assert sandbox.call("json:dumps", obj={"a": 1}) == '{"a": 1}'


def test_what_a_native_library_prints_does_not_disturb_the_answers() -> None:
    with Sandbox("nothing") as sandbox:
        assert sandbox.call("os:system", command="echo noise") == 0
        assert sandbox.call("json:loads", s="[1]") == [1]


def test_an_error_of_ours_comes_out_as_it_was_raised(tmp_path: Path) -> None:
    empty = tmp_path / "empty.onnx"
    empty.touch()
    with Sandbox("model") as sandbox:
        with pytest.raises(ModelError, match=r"empty.onnx is empty"):
            sandbox.call("edgekit.modelfiles.sandboxed:describe", path=str(empty))
        with pytest.raises(UnknownNameError, match="did you mean 'litert'"):
            sandbox.call("edgekit.modelfiles.runtime_choice:find_runtime", name="litrt")


def test_any_other_exception_names_the_file_and_keeps_its_trace_as_a_note() -> None:
    with (
        Sandbox("model.onnx") as sandbox,
        pytest.raises(RuntimeCrashError, match=r"model.onnx .*JSONDecodeError") as caught,
    ):
        sandbox.call("json:loads", s="{")
    assert "Traceback" in caught.value.__notes__[0]


def test_a_crash_names_the_file_and_the_signal() -> None:
    with Sandbox("model.tflite") as sandbox, pytest.raises(RuntimeCrashError, match=r"model.tflite .*SIGABRT"):
        sandbox.call("os:abort")


def test_a_worker_that_exits_is_an_error() -> None:
    with Sandbox("model.tflite") as sandbox, pytest.raises(RuntimeCrashError, match="exit status 7"):
        sandbox.call("os:_exit", status=7)


def test_a_hang_is_ended() -> None:
    with Sandbox("slow.onnx", Limits(seconds=1)) as sandbox, pytest.raises(RuntimeCrashError, match="longer than 1 s"):
        sandbox.call("os:system", command="sleep 60")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's private memory")
def test_a_hunger_for_memory_is_refused_by_the_system() -> None:
    with Sandbox("hungry.onnx", Limits(memory_bytes=1 << 30)) as sandbox:
        with pytest.raises(RuntimeCrashError, match=r"hungry.onnx needs more memory than the 1024 MiB"):
            sandbox.call("numpy:ones", shape=[1 << 31])
        assert sandbox.call("json:loads", s="1") == 1


def test_a_worker_leaves_no_large_file(tmp_path: Path) -> None:
    with Sandbox("greedy") as sandbox, pytest.raises(RuntimeCrashError, match="File too large"):
        sandbox.call("os:truncate", path=str(_empty(tmp_path / "big")), length=1 << 30)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (np.zeros(1, complex), "a tensor of type complex128 cannot be handed over"),
        (np.broadcast_to(np.int8(0), 1 << 31), "tensors of more than 1024 MiB cannot be handed over"),
        ({1, 2}, "Object of type set is not JSON serializable"),
    ],
)
def test_what_cannot_be_sent_is_no_crash_and_the_worker_goes_on(value: object, reason: str) -> None:
    with Sandbox("model.onnx") as sandbox:
        with pytest.raises(DataError, match=f"model.onnx cannot be given this: .*{reason}"):
            sandbox.call("json:dumps", obj=value)
        assert sandbox.call("json:loads", s="1") == 1


def test_a_worker_that_is_gone_stays_an_error_and_closes_quietly() -> None:
    with Sandbox("model") as sandbox:
        for _ in range(2):
            with pytest.raises(RuntimeCrashError):
                sandbox.call("os:_exit", status=7)


def test_a_worker_is_closed_while_another_thread_waits_for_its_answer() -> None:
    sandbox = Sandbox("busy.onnx", Limits(seconds=60))
    errors: list[RuntimeCrashError] = []

    def wait() -> None:
        try:
            sandbox.call("signal:pause")
        except RuntimeCrashError as exc:
            errors.append(exc)

    assert sandbox.call("json:loads", s="1") == 1
    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.3)
    start = time.monotonic()
    sandbox.kill()
    thread.join()
    sandbox.close()
    assert time.monotonic() - start < 10
    assert ["SIGKILL" in str(error) for error in errors] == [True]


def test_a_reply_that_comes_with_the_deadline_is_too_late_for_this_call_and_not_for_the_next() -> None:
    with Sandbox("slow.onnx") as sandbox:
        sandbox._watchdog.expired = True
        with pytest.raises(RuntimeCrashError, match="took longer"):
            sandbox.call("json:loads", s="1")


def test_a_python_that_is_none_is_an_error() -> None:
    with pytest.raises(RuntimeCrashError, match="cannot be started"):
        Sandbox("model", python="/nowhere/python")


def test_a_module_in_the_current_folder_is_not_imported_by_the_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit('taken over')")
    monkeypatch.chdir(tmp_path)
    with Sandbox("nothing") as sandbox:
        np.testing.assert_array_equal(sandbox.call("numpy:arange", stop=3), [0, 1, 2])


def _empty(path: Path) -> Path:
    path.touch()
    return path
