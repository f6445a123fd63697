"""A command's time and the memory of all its processes together, from outside it (Linux)."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

WAIT_S, LOOK_S = 0.02, 0.2
"""Looking at the memory costs the watched process time: the kernel walks through its pages meanwhile."""
LAST_LINES = 40
GIB = 1 << 30


@dataclass(frozen=True)
class Watched:
    """A command that has ended.

    ``peak_bytes`` is the largest sum of its processes' proportional set sizes (PSS) that was seen, or the first
    process's largest resident set as the kernel counted it, if that is more: no peak of a single process is missed.

    ``processor_seconds`` are those of all its processes that it waited for. ``error`` says why it failed; None if it
    did not. ``output`` is the end of what it printed.
    """

    seconds: float
    processor_seconds: float
    peak_bytes: int
    error: str | None
    output: str


def watch(
    command: Sequence[str],
    log: Path,
    limit_bytes: int,
    variables: Mapping[str, str] | None = None,
    limit_s: float = math.inf,
) -> Watched:
    """Run a command to its end, or until it takes more memory or time than it may; what it prints goes to ``log``."""
    with log.open("wb") as stream:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, stdout=stream, stderr=stream, env={**os.environ, **(variables or {})}, start_new_session=True
        )
        try:
            status, used, peak, error = _follow(process.pid, started, limit_bytes, limit_s)
        finally:
            with contextlib.suppress(ProcessLookupError):  # nothing outlives the command, nor this function's end
                os.killpg(process.pid, signal.SIGKILL)  # a group that start_new_session made for this command alone
        seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    output = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_LINES:])
    if error is None and process.returncode:
        error = _reason(output, process.returncode)
    return Watched(round(seconds, 2), round(used, 2), peak, error, output)


def _follow(pid: int, started: float, limit_bytes: int, limit_s: float) -> tuple[int, float, int, str | None]:
    """Wait for a process: its status, processor seconds, the most memory of it and its children, why it was ended."""
    peak, next_look, error = 0, 0.0, None
    while True:
        ended, status, used = os.wait4(pid, 0 if error else os.WNOHANG)
        if ended:
            return status, used.ru_utime + used.ru_stime, peak, error
        seconds = time.perf_counter() - started
        if seconds >= next_look:
            peak, next_look = max(peak, _tree_bytes(pid), _own_peak(pid)), seconds + LOOK_S
        if peak > limit_bytes:
            error = f"ended at {peak / GIB:.1f} GiB of memory"
        elif seconds > limit_s:
            error = f"ended after {limit_s:.0f} s"
        if error:
            os.killpg(pid, signal.SIGKILL)
        else:
            time.sleep(WAIT_S)


def _own_peak(pid: int) -> int:
    """The largest resident set so far; unlike that of ``wait4`` it does not count what was there before ``exec``."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return 0


def _tree_bytes(pid: int) -> int:
    """Proportional set size of a process and its descendants; one that has ended counts nothing."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        own = next(int(line.split()[1]) << 10 for line in rollup.splitlines() if line.startswith("Pss:"))
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = {child for task in tasks for child in (task / "children").read_text().split()}
    except (OSError, StopIteration):
        return 0
    return own + sum(_tree_bytes(int(child)) for child in children)


def _reason(output: str, status: int) -> str:
    """The last line that says something: of a Python traceback, the exception."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1][:300] if lines else f"exit status {status}"
