"""A worker process on this machine, for every driver that starts one here: so a crash there is an error here.

The worker is copied to a folder of its own for each job, as on any other device. So it sees nothing of ours, and runs
as well in another Python interpreter that has the runtime.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from edgekit.devices.conversation import Conversation, deadline, request_line
from edgekit.devices.device import Job, Watch

WORKER = Path(__file__).parents[1] / "runtimes"
WORKER_NAME = "edgekit_worker"
GRACE_S = 5


def run_worker(
    job: Job, watch: Watch, python: Sequence[str], worker: Path = WORKER, environment: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Run one job in a worker process that the command ``python`` starts; None leaves the environment as it is.

    Raises:
        ModelError, RuntimeCrashError, UsageError: as ``Device.run``.
    """
    others = tuple((name, path.resolve()) for name, path in job.others)
    images = job.images.resolve() if job.images else None
    job = replace(job, model=job.model.resolve(), others=others, images=images)
    conversation = Conversation(job)
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as noise:
        shutil.copytree(worker, Path(folder) / WORKER_NAME, ignore=shutil.ignore_patterns("__pycache__"))
        command = (*python, "-B", "-m", WORKER_NAME)
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=noise, text=True, cwd=folder, env=environment
        )
        # The worker ends itself when its time is up; this is for a system without alarms.
        try:
            with deadline(job.limit_s + GRACE_S, partial(_expire, process, conversation)):
                assert process.stdin is not None
                assert process.stdout is not None
                with suppress(BrokenPipeError):  # if it is dead already, its exit status tells why
                    process.stdin.write(request_line(job))
                    process.stdin.flush()
                conversation.listen(process.stdout, watch)
                status = process.wait()
        finally:
            process.kill()
            process.communicate()
        noise.seek(0)
        return conversation.outcome(status, noise.read().decode(errors="replace"))


def _expire(process: subprocess.Popen[str], conversation: Conversation) -> None:
    conversation.timed_out = True
    process.kill()
