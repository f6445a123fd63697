"""This machine: each job is a fresh Python process of its own, so a crash there is an error here."""

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
from edgekit.devices.device import DeviceCard, Job, Watch
from edgekit.modelfiles.runtime_choice import runtime_python

WORKER = Path(__file__).parents[1] / "runtimes"
WORKER_NAME = "edgekit_worker"
GRACE_S = 5


def open_driver(card: DeviceCard) -> LocalDevice:
    """The driver for a card."""
    return LocalDevice(card.name)


class LocalDevice:
    """Copies the worker to a folder of its own and starts it there, as on any other device, once per job.

    So the worker sees nothing of ours, and runs as well in another Python interpreter that has the runtime.
    """

    provenance = "measured"

    def __init__(self, name: str = "cpu", worker: Path = WORKER) -> None:
        self.name = name
        self._worker = worker

    def run(self, job: Job, watch: Watch) -> dict[str, Any]:
        """Run one job. See ``Device.run``."""
        return run_worker(job, watch, (runtime_python(job.runtime),), self._worker)

    def close(self) -> None:
        """Each job has removed its own folder."""


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
                _ask(process, job)
                assert process.stdout is not None
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


def _ask(process: subprocess.Popen[str], job: Job) -> None:
    assert process.stdin is not None
    with suppress(BrokenPipeError):  # if it is dead already, its exit status tells why
        process.stdin.write(request_line(job))
        process.stdin.flush()
