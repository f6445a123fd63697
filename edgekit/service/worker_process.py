"""A worker process that has one model open, and the thread that speaks with it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.console import warn
from edgekit.errors import DataError, EdgekitError, RuntimeCrashError
from edgekit.sandbox import Limits, Sandbox
from edgekit.store.store import Entry

WORKER = "edgekit.service.answering"
ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1"}
"""Finding a digit solves small systems of equations, which take longer on several threads."""

Guesses = list[list[Any]]
"""[label, probability] of the likeliest classes, likeliest first."""


@dataclass(frozen=True)
class Question:
    """What a client sent, of which content type, and how many guesses are wanted."""

    body: bytes
    kind: str
    top: int


@dataclass(frozen=True)
class Request:
    """A question, and who waits for the guesses."""

    question: Question
    answer: asyncio.Future[Guesses]


class ModelWorker:
    """A process with a model. It is started again when it has ended; ``crashes`` counts how often that was."""

    def __init__(self, entry: Entry, data: bytes, limits: Limits) -> None:
        self.memory = 0
        self.crashes = 0
        self._entry, self._data, self._limits = entry, data, limits
        self._sandbox: Sandbox | None = None
        self._killed = False
        self._thread = ThreadPoolExecutor(1, f"model-{entry.name}")
        self._loop = asyncio.get_running_loop()

    @property
    def pid(self) -> int | None:
        """The number of the process, where there is one."""
        return self._sandbox.pid if self._sandbox is not None else None

    async def open(self) -> None:
        """Start the process.

        Raises:
            ModelError, RuntimeCrashError: the runtime refuses the file, or does not survive it.
        """
        try:
            await self._loop.run_in_executor(self._thread, self._start)
        except BaseException:
            self.close()
            raise

    async def answer(self, batch: Sequence[Request]) -> list[Guesses | Exception]:
        """Guesses or an error for each request."""
        try:
            return await self._loop.run_in_executor(self._thread, self._answer, batch)
        except Exception as exc:  # a bug of ours must not leave these and all later ones waiting
            return [exc] * len(batch)

    def kill(self) -> None:
        """End the process in the middle of what it does; no other one is started."""
        self._killed = True
        sandbox = self._sandbox
        if sandbox is not None:
            sandbox.kill()

    def close(self) -> None:
        """End the process; who still waits for its answer gets an error."""
        self.kill()
        self._thread.shutdown()
        if self._sandbox is not None:
            self._sandbox.close()

    def _start(self) -> None:
        self._sandbox = Sandbox(self._entry.name, self._limits, environment=ENVIRONMENT)
        try:
            if self._killed:
                raise RuntimeCrashError(f"The service of '{self._entry.name}' ends; ask again later.")
            data = np.frombuffer(self._data, np.uint8)
            opened = self._sandbox.call(f"{WORKER}:open_served", data=data, student=self._entry.card["student"])
        except BaseException:
            self._sandbox.close()
            self._sandbox = None
            raise
        self.memory = opened["memory"]
        if opened["complaint"]:
            warn(f"'{self._entry.name}' answers its golden example differently here: {opened['complaint']}")

    def _answer(self, batch: Sequence[Request]) -> list[Guesses | Exception]:
        """Guesses or an error for each request; where the process crashes, the others do not suffer for one of them."""
        if not batch:
            return []
        try:
            return self._call(batch)
        except RuntimeCrashError as exc:
            self._end()
            if len(batch) == 1 or self._killed:
                return [exc] * len(batch)
        except EdgekitError as exc:
            if len(batch) == 1:
                return [exc]
        return [answer for request in batch for answer in self._answer([request])]

    def _call(self, batch: Sequence[Request]) -> list[Guesses | Exception]:
        if self._sandbox is None:
            self._start()
        assert self._sandbox is not None
        asked = [request.question for request in batch]
        bodies = [np.frombuffer(question.body, np.uint8) for question in asked]
        kinds, tops = ([getattr(question, name) for question in asked] for name in ("kind", "top"))
        reply = self._sandbox.call(f"{WORKER}:predict", bodies=bodies, kinds=kinds, tops=tops)
        self.memory = reply["memory"]
        return [DataError(answer) if isinstance(answer, str) else answer for answer in reply["answers"]]

    def _end(self) -> None:
        if self._sandbox is not None:
            self._sandbox.close()
        self._sandbox = None
        self.memory = 0
        self.crashes += 1
