"""Read one request, do its task, write the answer. See the package's docstring for the protocol."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

from ..refusal import Refusal, first_line
from .arena import find_arena
from .count import count, count_operators
from .machine import describe, limit_memory
from .measure import measure
from .operators import time_operators
from .outputs import give_outputs
from .pinning import pin
from .turns import take_turns

TASKS = {
    "measure": measure,
    "operators": time_operators,
    "arena": find_arena,
    "turns": take_turns,
    "count": count,
    "count-operators": count_operators,
    "outputs": give_outputs,
}


def main() -> None:
    """Answer the request on stdin."""
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a native library prints must not get between the lines

    def emit(**line: Any) -> None:
        channel.write(json.dumps(line) + "\n")
        channel.flush()

    request = json.loads(sys.stdin.readline())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's affair, which ends this process
    if hasattr(signal, "alarm"):
        signal.alarm(int(request["limit_s"]))  # a hung runtime must not outlive a killed parent
    limit_memory()
    try:
        request["machine"] = describe()  # before it keeps to some of the cores
        request["machine"]["cores_kept_to"] = pin(request["pin"], request["threads"])
        result = TASKS[request["task"]](request, emit)
    except Refusal as exc:
        emit(error={"kind": exc.kind, "text": str(exc)})
    except MemoryError as exc:
        emit(error={"kind": "memory", "text": first_line(exc)})
    else:
        emit(result=result)
