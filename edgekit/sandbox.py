"""Running a function in a Python process of its own, with limits on time and memory.

A model file may come from a stranger and native runtimes are not made for that: a crash, a hang or a hunger for
memory ends the worker and becomes a RuntimeCrashError here. An EdgekitError raised inside comes out as it is.

    with Sandbox("model.tflite") as sandbox:
        answer = sandbox.call("edgekit.some.module:function", path="model.tflite", images=array)
"""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from edgekit import errors
from edgekit.closing import Closing
from edgekit.errors import DataError, EdgekitError, RuntimeCrashError
from edgekit.sandbox_child import ProtocolError, receive, send

CHILD = Path(__file__).with_name("sandbox_child.py")
NOISE_BYTES = 2000
GRACE_S = 5


@dataclass(frozen=True)
class Limits:
    """What a worker may use: seconds per call, bytes of private memory in all."""

    seconds: float = 120.0
    memory_bytes: int = 4 << 30


class Sandbox(Closing):
    """A worker process. It starts at once, answers one call at a time, and ends with the ``with`` block.

    Args:
        subject: what the worker works on, a file's name as a rule; error messages begin with it.
        limits: what it may use. The memory limit holds where the system has RLIMIT_DATA (Linux).
        python: the interpreter that runs it; another one than ours needs only NumPy and what the call imports.
        environment: variables that it gets beside ours.
    """

    def __init__(
        self,
        subject: str,
        limits: Limits | None = None,
        python: str | Path = sys.executable,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.subject = subject
        self.limits = limits or Limits()
        try:
            self._noise: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  closed in close()
        except OSError as exc:
            raise RuntimeCrashError(f"No temporary file can be made ({exc.strerror}); look at $TMPDIR.") from exc
        command = [str(python), "-P", str(CHILD), str(self.limits.memory_bytes)]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._noise,
                bufsize=1 << 16,
                env={**os.environ, **(environment or {})},
            )
        except OSError as exc:
            self._noise.close()
            raise RuntimeCrashError(f"{python} cannot be started ({exc.strerror}); name a Python interpreter.") from exc
        self._watchdog = _Watchdog(self._process, self.limits.seconds)

    @property
    def pid(self) -> int:
        """The number of the worker process."""
        return self._process.pid

    def call(self, target: str, **arguments: Any) -> Any:
        """Call ``module:function`` with a tree of JSON values and ndarrays each way.

        Raises:
            RuntimeCrashError: the worker crashed, took too long or asked for too much memory; it is gone then.
            DataError: an argument is no such value, or too large for a message.
            EdgekitError: the function raised it.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {"call": target, "arguments": arguments, "seconds": int(self.limits.seconds) + GRACE_S}
        try:
            with self._watchdog.watching():
                try:
                    send(self._process.stdin, request)
                except ProtocolError as exc:  # of which nothing was sent
                    raise DataError(f"{self.subject} cannot be given this: {exc}; give it less or other data.") from exc
                reply = receive(self._process.stdout)
        except (EOFError, BrokenPipeError, ProtocolError) as exc:
            raise self._crash(self._watchdog.expired) from exc
        if self._watchdog.expired:  # the reply and the deadline met
            raise self._crash(expired=True)
        if "error" in reply:
            raise self._error(reply["error"])
        return reply["result"]

    def kill(self) -> None:
        """End the worker at once; a call in another thread fails then."""
        self._process.kill()

    def close(self) -> None:
        """End the worker; nothing happens if it is gone already."""
        self._watchdog.end()
        self.kill()  # first, since a pipe cannot be closed while another thread reads it
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue
        self._process.wait()
        self._noise.close()

    def _error(self, reply: dict[str, str]) -> EdgekitError:
        if reply["class"] == "MemoryError":
            return RuntimeCrashError(self._too_much_memory())
        kind = getattr(errors, reply["class"], None) if reply["class"] else None
        if isinstance(kind, type) and issubclass(kind, EdgekitError):
            return kind.__new__(kind, reply["text"])
        error = RuntimeCrashError(f"{self.subject} made its worker fail ({reply['text']}); check or replace the file.")
        error.add_note(reply["trace"])
        return error

    def _end(self) -> int:
        """The exit status of a worker that has closed its pipe, as a rule because it is about to end by itself."""
        try:
            return self._process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def _crash(self, expired: bool) -> RuntimeCrashError:
        status = self._end()
        noise = self._noise_tail()
        if expired:
            text = (
                f"{self.subject} took longer than {self.limits.seconds:g} s and was stopped; check or replace the file."
            )
        elif "bad_alloc" in noise or "MemoryError" in noise:
            text = self._too_much_memory()
        else:
            text = f"{self.subject} made the runtime crash ({_cause(status)}); check or replace the file."
        error = RuntimeCrashError(text)
        if noise:
            error.add_note(noise)
        return error

    def _too_much_memory(self) -> str:
        return (
            f"{self.subject} needs more memory than the {self.limits.memory_bytes >> 20} MiB allowed; check the file."
        )

    def _noise_tail(self) -> str:
        end = self._noise.seek(0, 2)
        self._noise.seek(max(0, end - NOISE_BYTES))
        return self._noise.read().decode(errors="replace").strip()


class _Watchdog:
    """Kills a process whose call takes longer than ``seconds``, or up to a twentieth more.

    One thread watches all calls, since starting one takes longer than a small call.
    """

    def __init__(self, process: subprocess.Popen[bytes], seconds: float) -> None:
        self.expired = False
        self._process, self._seconds = process, seconds
        self._deadline = math.inf
        self._lock = threading.Lock()
        self._ended = threading.Event()
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """The block is a call."""
        self._deadline = time.monotonic() + self._seconds
        try:
            yield
        finally:
            with self._lock:  # a call that has ended is not killed any more
                self._deadline = math.inf

    def end(self) -> None:
        """Watch no longer."""
        self._ended.set()

    def _watch(self) -> None:
        while not self._ended.wait(self._seconds / 20):
            with self._lock:
                if time.monotonic() > self._deadline:
                    self.expired = True
                    self._process.kill()
                    return


def _cause(status: int) -> str:
    if status < 0:
        return signal.Signals(-status).name
    return f"exit status {status}"
