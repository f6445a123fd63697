"""A model that is open in a worker process, for many requests at once.

Requests that come while the worker is busy wait, and are handed over together when it is free. So the cost of
speaking with another process is shared by all that wait, and a lone request waits for nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.errors import DataError, EdgekitError, RuntimeCrashError
from edgekit.sandbox import Limits, Sandbox
from edgekit.store.store import Entry

MAX_BATCH = 8
"""Handed over together. With more, the worker would have nothing to do while the answers of all are sent."""
MAX_WAITING = 512
WORKER = "edgekit.serve.worker"
ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1"}
"""Finding a digit solves small systems of equations, which take five times as long on several threads."""

Guesses = list[list[Any]]
"""[label, probability] of the likeliest classes, likeliest first."""


class BusyError(EdgekitError):
    """More requests wait for a model than are let in."""


@dataclass(frozen=True)
class Request:
    """A picture file, how many guesses are wanted, and who waits for them."""

    picture: bytes
    top: int
    answer: asyncio.Future[Guesses]


class OpenModel:
    """A worker process with one model, and those who wait for it. Made by ``open_model``."""

    def __init__(self, entry: Entry, data: bytes, limits: Limits) -> None:
        self.entry = entry
        self.memory = 0
        self.crashes = 0
        self._data, self._limits = data, limits
        self._sandbox: Sandbox | None = None
        self._waiting: asyncio.Queue[Request | None] = asyncio.Queue(MAX_WAITING)
        self._thread = ThreadPoolExecutor(1, f"model-{entry.name}")
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None

    @property
    def worker(self) -> int | None:
        """The number of the worker process, where there is one."""
        return self._sandbox.pid if self._sandbox is not None else None

    async def open(self) -> None:
        """Start the worker.

        Raises:
            ModelError, RuntimeCrashError: the runtime refuses the file, or does not survive it.
        """
        try:
            await self._loop.run_in_executor(self._thread, self._start)
        except BaseException:
            self._thread.shutdown(wait=False)
            raise
        self._task = asyncio.create_task(self._work())

    async def predict(self, picture: bytes, top: int) -> Guesses:
        """The likeliest classes of a picture file.

        Raises:
            DataError: it is no readable picture.
            ModelError, RuntimeCrashError: the model cannot be run on it, or the worker did not survive it.
            BusyError: too many requests wait already.
        """
        request = Request(picture, top, self._loop.create_future())
        try:
            self._waiting.put_nowait(request)
        except asyncio.QueueFull as exc:
            raise BusyError(f"{MAX_WAITING} requests wait for '{self.entry.name}'; try again in a moment.") from exc
        return await request.answer

    async def close(self) -> None:
        """Answer those who wait, and end the worker."""
        if self._task is not None:
            await self._waiting.put(None)
            await self._task
        self._thread.shutdown()
        if self._sandbox is not None:
            self._sandbox.close()

    async def _work(self) -> None:
        while True:
            batch, is_last = self._next(await self._waiting.get())
            answers: list[Guesses | Exception]
            try:
                answers = await self._loop.run_in_executor(self._thread, self._answer, batch)
            except Exception as exc:  # a bug of ours must not leave these and all later ones waiting
                answers = [exc] * len(batch)
            for request, answer in zip(batch, answers, strict=True):
                _settle(request.answer, answer)
            if is_last:
                return

    def _next(self, first: Request | None) -> tuple[list[Request], bool]:
        """The requests that wait now and are still wanted, and whether there will be no more."""
        batch: list[Request] = []
        item = first
        while item is not None:
            if not item.answer.cancelled():
                batch.append(item)
            if len(batch) == MAX_BATCH or self._waiting.empty():
                return batch, False
            item = self._waiting.get_nowait()
        return batch, True

    def _start(self) -> None:
        sandbox = Sandbox(self.entry.name, self._limits, environment=ENVIRONMENT)
        try:
            data = np.frombuffer(self._data, np.uint8)
            opened = sandbox.call(f"{WORKER}:open_served", data=data, student=self.entry.card["student"])
        except BaseException:
            sandbox.close()
            raise
        self._sandbox, self.memory = sandbox, opened["memory"]

    def _answer(self, batch: Sequence[Request]) -> list[Guesses | Exception]:
        """Guesses or an error for each request; where the worker crashes, the others do not suffer for one of them."""
        if not batch:
            return []
        try:
            return self._call(batch)
        except RuntimeCrashError as exc:
            self._end()
            if len(batch) == 1:
                return [exc]
        except EdgekitError as exc:
            if len(batch) == 1:
                return [exc]
        return [answer for request in batch for answer in self._answer([request])]

    def _call(self, batch: Sequence[Request]) -> list[Guesses | Exception]:
        if self._sandbox is None:
            self._start()
        assert self._sandbox is not None
        pictures = [np.frombuffer(request.picture, np.uint8) for request in batch]
        reply = self._sandbox.call(f"{WORKER}:predict", pictures=pictures, tops=[request.top for request in batch])
        self.memory = reply["memory"]
        return [DataError(answer) if isinstance(answer, str) else answer for answer in reply["answers"]]

    def _end(self) -> None:
        if self._sandbox is not None:
            self._sandbox.close()
        self._sandbox = None
        self.memory = 0
        self.crashes += 1


def _settle(future: asyncio.Future[Guesses], answer: Guesses | Exception) -> None:
    if future.done():
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)
