"""A device over SSH: the worker and the model are copied to a private folder there, run, and removed again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from edgekit.devices import process
from edgekit.devices.cards import DeviceCard
from edgekit.devices.conversation import Conversation, as_message, deadline
from edgekit.devices.device import Can, Device, Job, Watch
from edgekit.devices.ssh.address import parse_address
from edgekit.devices.ssh.connection import Connection
from edgekit.devices.ssh.setup import SshSetup, set_up
from edgekit.errors import DeviceError, EdgekitError, UsageError
from edgekit.graph.isolated import model_bytes

FASTEST = ("asimddp", "avx512_vnni", "avx2")
"""Features by which 8-bit sums are fast."""


class SshDevice(Device):
    """Connects at its first job, and keeps the connection and the folder there until it is closed."""

    abilities = Can.TIME | Can.TURN | Can.ANSWER | Can.CALIBRATE | Can.ASIDE
    takes_address = True

    def __init__(self, card: DeviceCard, worker: Path = process.WORKER) -> None:
        self.address = parse_address(card.name)
        super().__init__(replace(card, name=str(self.address)))
        self._worker = worker
        self._connection: Connection | None = None
        self._sent: dict[Path, str] = {}
        self._count = 0
        self._closed = False

    @property
    def processor(self) -> str:
        """As the system there calls it, with the first of FASTEST that it has."""
        about = (self._connection or self._connect()).about
        return " ".join([about["architecture"], *[name for name in FASTEST if name in about["features"]][:1]])

    def run(self, job: Job, watch: Watch) -> dict[str, Any]:
        """Run one job there. See ``Device.run``.

        Raises:
            DeviceError: there is no connection, or it was lost.
            StorageError: the disk there is full.
        """
        if job.task == "arena":
            return {"unavailable": "the arena is a fact of the file, which --device cpu tells"}
        connection = self._connection or self._connect()
        remedy = self._remedy(connection)
        conversation = Conversation(job, self.name, remedy)
        request = self._placed(connection, asdict(replace(job, source=None)))
        try:
            answer = _converse(connection, request, conversation, watch)
        except DeviceError:
            if conversation.timed_out:
                return conversation.outcome(-1, "")
            raise
        finally:
            if job.images is not None:  # a whole batch, which only this job needs
                self.forget(job.images)
        if "No module named 'numpy'" in answer.noise:
            raise UsageError(f"{self.name} has no NumPy; {remedy}.")
        return conversation.outcome(answer.status, answer.noise)

    def forget(self, file: Path) -> None:
        """See ``Device.forget``."""
        if self._connection is not None and file in self._sent:
            self._connection.tell({"remove": self._sent.pop(file)})

    def set_up(self) -> SshSetup:
        """Make an environment for the worker there."""
        return set_up(self.address)

    def close(self) -> None:
        """End the connection, which removes the folder there; one that is being made ends when it is there."""
        self._closed = True
        if self._connection is not None:
            self._connection.close()

    def _remedy(self, connection: Connection) -> str:
        """How to get a runtime that is missing there."""
        if connection.about["has_packages"] and connection.about["architecture"] == "armv7l":
            return "a 32-bit system has no LiteRT; use --runtime tflite-runtime or c"
        return f"make an environment for it there with 'edgekit devices setup {self.name}'"

    def _connect(self) -> Connection:
        self._connection = connection = Connection(self.address)
        if self._closed:
            connection.close()
            raise DeviceError(f"{self.name} was closed before it was reached.")
        for path in sorted(self._worker.rglob("*.py")):
            name = path.relative_to(self._worker).as_posix()
            connection.ask({"put": f"{process.WORKER_NAME}/{name}"}, path.read_bytes())
        return connection

    def _placed(self, connection: Connection, value: Any) -> Any:
        """A job's fields with the files that they name sent there, and their paths there in place of ours."""
        if isinstance(value, dict):
            return {key: self._placed(connection, item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._placed(connection, item) for item in value]
        return self._send(connection, value) if isinstance(value, Path) else value

    def _send(self, connection: Connection, file: Path) -> str:
        """The path that a file has there."""
        if file not in self._sent:
            path = f"files/{self._count}/{file.name}"
            self._count += 1
            connection.ask({"put": path}, model_bytes(file))
            self._sent[file] = f"{connection.about['folder']}/{path}"
        return self._sent[file]


def _converse(connection: Connection, request: dict[str, Any], conversation: Conversation, watch: Watch) -> _Answer:
    """Have one job run there and listen until it has ended."""

    def expire() -> None:
        conversation.timed_out = True
        connection.abort()

    # The worker ends itself when its time is up; this is for one that does not.
    with deadline(conversation.job.limit_s + process.GRACE_S, expire):
        answer = _Answer(connection)
        connection.tell({"run": request, "worker": process.WORKER_NAME})
        try:
            conversation.listen(answer.lines(), watch)
        except EdgekitError:
            answer.finish()
            raise
        return answer


class _Answer:
    """The lines of one job, to the one with which the keeper says how the worker ended."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._ended = False
        self.status, self.noise = 0, ""

    def lines(self) -> Iterator[str]:
        for line in self._connection.lines():
            message = as_message(line)
            if "ended" in message:
                self._ended = True
                self.status, self.noise = message["ended"]["status"], message["ended"]["noise"]
                return
            yield line
        raise self._connection.lost()

    def finish(self) -> None:
        """Pass over what comes after a refusal, so that the next job begins with its own lines."""
        if not self._ended:
            with suppress(EdgekitError):
                for _ in self.lines():
                    pass


DRIVER = SshDevice
