"""Read one request, do its task, write the answer. See the package's docstring for the protocol."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

from .arena import find_arena
from .machine import limit_memory
from .measure import baseline, measure
from .operators import time_operators
from .refusal import Refusal, first_line

TASKS = {"baseline": baseline, "measure": measure, "operators": time_operators, "arena": find_arena}


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
        result = TASKS[request["task"]](request, emit)
    except Refusal as exc:
        emit(error={"kind": exc.kind, "text": str(exc)})
    except MemoryError as exc:
        emit(error={"kind": "memory", "text": first_line(exc)})
    else:
        emit(result=result)


if __name__ == "__main__":
    main()
