"""A model that is open in worker processes, for many requests at once.

Requests that come while the worker is busy wait, and are handed over together when it is free. So the cost of
speaking with another process is shared by all that wait, and a lone request waits for nobody. Where more wait than are
handed over at once, a second worker is started.
"""

from __future__ import annotations

import asyncio
import os

from edgekit.errors import EdgekitError
from edgekit.sandbox import Limits
from edgekit.service.worker_process import Guesses, ModelWorker, Question, Request
from edgekit.store.store import Entry

MAX_BATCH = 8
"""Handed over together. With more, the worker would have nothing to do while the answers of all are sent."""
MAX_WAITING = 512
MAX_WORKERS = min(2, os.cpu_count() or 1)


class BusyError(EdgekitError):
    """More requests wait for a model than are let in."""


class OpenModel:
    """The workers of one model, and those who wait for them."""

    def __init__(self, entry: Entry, data: bytes, limits: Limits) -> None:
        self.entry = entry
        self.workers: list[ModelWorker] = []
        self._data, self._limits = data, limits
        self._waiting: asyncio.Queue[Request | None] = asyncio.Queue(MAX_WAITING)
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def memory(self) -> int:
        """Bytes of all workers."""
        return sum(worker.memory for worker in self.workers)

    @property
    def crashes(self) -> int:
        """How often a worker has ended before its time."""
        return sum(worker.crashes for worker in self.workers)

    async def open(self) -> None:
        """Start the first worker.

        Raises:
            ModelError, RuntimeCrashError: the runtime refuses the file, or does not survive it.
        """
        worker = await self._started()
        self._tasks.append(asyncio.create_task(self._work(worker)))

    async def predict(self, question: Question) -> Guesses:
        """The likeliest classes of a picture or text.

        Raises:
            DataError: it is none that can be read.
            ModelError, RuntimeCrashError: the model cannot be run on it, or the worker did not survive it.
            BusyError: too many requests wait already.
        """
        request = Request(question, asyncio.get_running_loop().create_future())
        try:
            self._waiting.put_nowait(request)
        except asyncio.QueueFull as exc:
            raise BusyError(f"{MAX_WAITING} requests wait for '{self.entry.name}'; try again in a moment.") from exc
        if self._wants_help():
            self._tasks.append(asyncio.create_task(self._help()))
        return await request.answer

    async def close(self) -> None:
        """Answer those who wait, and end the workers."""
        try:
            for _ in self._tasks:
                await self._waiting.put(None)
            await asyncio.gather(*self._tasks)
        finally:
            for worker in self.workers:
                worker.close()

    def kill(self) -> None:
        """End the workers in the middle of what they do, when nobody waits any more."""
        for worker in self.workers:
            worker.kill()

    def _wants_help(self) -> bool:
        """Whether more wait than are handed over at once, and there is memory for one more worker."""
        has_room = 2 * self.memory <= self._limits.memory_bytes
        return self._waiting.qsize() > MAX_BATCH and len(self._tasks) < MAX_WORKERS and has_room

    async def _started(self) -> ModelWorker:
        worker = ModelWorker(self.entry, self._data, self._limits)
        self.workers.append(worker)
        try:
            await worker.open()
        except BaseException:
            self.workers.remove(worker)
            raise
        return worker

    async def _help(self) -> None:
        """One more worker; that it cannot be started is no reason to refuse anybody."""
        try:
            worker = await self._started()
        except Exception:  # a system without one more process or file, say
            return
        await self._work(worker)

    async def _work(self, worker: ModelWorker) -> None:
        while True:
            batch, is_last = self._next(await self._waiting.get())
            answers = await worker.answer(batch)
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


def _settle(future: asyncio.Future[Guesses], answer: Guesses | Exception) -> None:
    if future.done():
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)
