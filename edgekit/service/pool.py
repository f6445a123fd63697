"""The models that are open: loaded on demand, the longest unused closed when they need more memory than allowed."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from edgekit.sandbox import Limits
from edgekit.service.open_model import OpenModel
from edgekit.service.worker_process import Guesses, Question
from edgekit.store.store import Entry, Store

FIRST_GUESS = 64 << 20
"""Of a worker's memory before any has been measured: Python, NumPy, Pillow and a runtime."""
CALL_S = 30.0


class Pool:
    """Open models by hash, at most ``memory_bytes`` of worker memory in all.

    A worker's memory is measured when it has opened its model and after each call; none may take more than all of it.
    """

    def __init__(self, store: Store, memory_bytes: int) -> None:
        self.memory_bytes = memory_bytes
        self.opened = 0
        self.closed = 0
        self._crashes = 0
        self._store = store
        self._open: OrderedDict[str, OpenModel] = OrderedDict()
        self._measured: dict[str, int] = {}
        self._lock = asyncio.Lock()

    @property
    def open_models(self) -> tuple[OpenModel, ...]:
        """The longest unused first."""
        return tuple(self._open.values())

    @property
    def used_bytes(self) -> int:
        """Memory of all workers."""
        return sum(model.memory for model in self._open.values())

    @property
    def crashes(self) -> int:
        """How often a worker has ended before its time."""
        return self._crashes + sum(model.crashes for model in self._open.values())

    async def predict(self, entry: Entry, question: Question) -> Guesses:
        """What a model says of a picture or text.

        Raises:
            DataError: it is none that can be read.
            UsageError: the model is no classifier of such.
            ModelError, RuntimeCrashError: it is damaged, or cannot be run.
            BusyError: too many requests wait for it.
        """
        model = await self._get(entry)
        try:
            return await model.predict(question)
        finally:
            if self.used_bytes > self.memory_bytes:
                async with self._lock:
                    await self._make_room(0, keep=entry.sha256)

    async def close(self) -> None:
        """End all workers, also those that are busy: this is called when no request is left."""
        for model in self._open.values():
            model.kill()
        async with self._lock:
            await self._make_room(self.memory_bytes + 1)

    async def _get(self, entry: Entry) -> OpenModel:
        model = self._open.get(entry.sha256)
        if model is None or model.entry.card != entry.card:
            async with self._lock:
                model = self._open.get(entry.sha256)  # another request may have opened it meanwhile
                if model is not None and model.entry.card != entry.card:
                    await self._close(entry.sha256)
                    model = None
                if model is None:
                    model = self._open[entry.sha256] = await self._load(entry)
        self._open.move_to_end(entry.sha256)
        return model

    async def _load(self, entry: Entry) -> OpenModel:
        entry.require_classifier()
        data = await asyncio.to_thread(self._store.read, entry.sha256)
        expected = self._measured.get(entry.sha256) or FIRST_GUESS + len(data)
        await self._make_room(expected)
        model = OpenModel(entry, data, Limits(CALL_S, self.memory_bytes))
        await model.open()
        self._measured[entry.sha256] = model.memory
        self.opened += 1
        return model

    async def _make_room(self, expected: int, keep: str = "") -> None:
        """Close models until ``expected`` bytes more are allowed, or none is left but ``keep``."""
        for sha256 in list(self._open):
            if sha256 != keep and self.used_bytes + expected > self.memory_bytes:
                await self._close(sha256)

    async def _close(self, sha256: str) -> None:
        model = self._open.pop(sha256)
        self.closed += 1
        await model.close()
        self._crashes += model.crashes
