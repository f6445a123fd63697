"""The two sides' talk, seen from here: a worker's lines become a result, or an error that says what happened.

Shared by every driver that starts a worker process, wherever that process runs.
"""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from edgekit.devices.device import Job, Watch
from edgekit.errors import EdgekitError, ModelError, RuntimeCrashError, UsageError
from edgekit.runtimes import RUNTIMES

SIGNALS = {
    "SIGILL": "an illegal instruction: it was built for another processor; install a build for this one",
    "SIGKILL": "the system ended it, most likely for want of memory; free some or measure a smaller model",
}
CRASH = "a crash inside the native runtime; the file may be damaged, try another version of the runtime"


@contextmanager
def deadline(seconds: float, act: Callable[[], None]) -> Iterator[None]:
    """Call ``act`` in a thread if the block takes longer. It keeps no program from ending, whenever Ctrl-C comes."""
    timer = threading.Timer(seconds, act)
    timer.daemon = True
    try:
        timer.start()
        yield
    finally:
        timer.cancel()


@dataclass
class Conversation:
    """What one worker process has said so far. ``where`` is its machine, and ``remedy`` gets it a runtime there."""

    job: Job
    where: str = "this machine"
    remedy: str = ""
    phase: str = "starting"
    timed_out: bool = False
    result: dict[str, Any] | None = None

    def listen(self, lines: Iterable[str], watch: Watch) -> None:
        """Take in lines until the process closes its end.

        Raises:
            ModelError: the runtime refuses the file.
            RuntimeCrashError: the file needs more memory than there is.
            UsageError: the runtime is not installed.
        """
        for line in lines:
            message = as_message(line)
            if "phase" in message:
                self.phase = str(message["phase"])
            elif "progress" in message:
                watch(float(message["progress"]))
            elif "error" in message:
                raise self._refusal(message["error"]["kind"], message["error"]["text"])
            elif "result" in message:
                self.result = message["result"]

    def outcome(self, status: int, noise: str) -> dict[str, Any]:
        """The result, once the process has ended with exit ``status`` (negative: by that signal).

        Raises:
            RuntimeCrashError: it ended without a result; ``noise``, its stderr, may say why.
        """
        if self.result is not None and status == 0:
            return self.result
        runtime = RUNTIMES[self.job.runtime].title
        name = _signal_name(-status)
        if self.timed_out or name == "SIGALRM":
            raise RuntimeCrashError(
                f"{self.job.named}: {runtime} did not finish within {self.job.limit_s} s while {self.phase}; "
                "ask for fewer --runs, or measure a smaller model."
            )
        if status < 0:
            raise RuntimeCrashError(
                f"{self.job.named}: {runtime} was ended by {name} while {self.phase} ({SIGNALS.get(name, CRASH)})."
            )
        last = noise.strip().splitlines()[-1] if noise.strip() else "no message"
        raise RuntimeCrashError(
            f"{self.job.named}: the process of {runtime} ended with status {status} while {self.phase} ({last}); "
            "try another version of the runtime."
        )

    def _refusal(self, kind: str, text: str) -> EdgekitError:
        runtime = RUNTIMES[self.job.runtime].title
        if kind == "runtime":
            text = f"{text.rpartition('; ')[0]}; {self.remedy}" if self.remedy else text
            return UsageError(f"{runtime} is needed to measure {self.job.named.name}, but {text}.")
        if kind == "option":
            return UsageError(f"{text}.")
        if kind == "memory":
            return RuntimeCrashError(
                f"{self.job.named} needs more memory than {self.where} has; measure a smaller model."
            )
        return ModelError(f"{self.job.named} is not a model that {runtime} runs ({text}); check or export it again.")


def request_line(job: Job) -> str:
    """The job as the worker reads it."""
    return json.dumps(asdict(job), default=str) + "\n"


def as_message(line: str) -> dict[str, Any]:
    """A line of JSON as a message; what is none is an empty one."""
    try:
        message = json.loads(line)
    except ValueError:
        message = None
    return message if isinstance(message, dict) else {}


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
