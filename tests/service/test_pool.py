"""Models are opened on demand, kept within their memory, and a worker that ends takes nobody with it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
from served import png

from edgekit.errors import RuntimeCrashError
from edgekit.service import open_model
from edgekit.service.open_model import BusyError
from edgekit.service.pool import Pool
from edgekit.service.worker_process import Question
from edgekit.store.store import Store

MEMORY = 1 << 30
Result = TypeVar("Result")


@pytest.fixture
def store(store_file: Path) -> Iterator[Store]:
    with Store(store_file) as opened:
        yield opened


def in_pool(store: Store, use: Callable[[Pool], Awaitable[Result]], memory: int = MEMORY) -> Result:
    async def run() -> Result:
        pool = Pool(store, memory)
        try:
            return await use(pool)
        finally:
            await pool.close()

    return asyncio.run(run())


def test_a_model_is_opened_once_however_many_ask_for_it(store: Store, digits: list[bytes]) -> None:
    async def use(pool: Pool) -> tuple[int, int]:
        entry = store.find("tiny")
        await asyncio.gather(*(pool.predict(entry, Question(digit, "", 1)) for digit in digits))
        return pool.opened, len(pool.open_models)

    assert in_pool(store, use) == (1, 1)


def test_a_second_worker_helps_where_many_wait(
    store: Store, digits: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_model, "MAX_WORKERS", 2)

    async def use(pool: Pool) -> tuple[int, int, list[str]]:
        entry = store.find("tiny")
        await pool.predict(entry, Question(digits[0], "", 1))
        (model,) = pool.open_models
        alone = len(model.workers)
        answers = []
        while len(model.workers) < 2:
            answers += await asyncio.gather(
                *(pool.predict(entry, Question(digits[i % len(digits)], "", 1)) for i in range(100))
            )
        return alone, len(model.workers), [guesses[0][0] for guesses in answers[: len(digits)]]

    alone, together, labels = in_pool(store, use)
    assert (alone, together) == (1, 2)
    assert labels[:3] == ["7", "2", "1"]


def test_the_longest_unused_model_makes_room(store: Store, digits: list[bytes]) -> None:
    async def use(pool: Pool) -> list[list[str]]:
        opened = []
        for name in ("tiny", "linear", "tiny", "float"):
            await pool.predict(store.find(name), Question(digits[0], "", 1))
            opened.append([model.entry.name for model in pool.open_models])
            if len(opened) == 3:
                pool.memory_bytes = pool.used_bytes + 1
            assert pool.used_bytes <= pool.memory_bytes
        return opened

    *_, before, after = in_pool(store, use)
    assert before == ["linear", "tiny"]
    assert "linear" not in after
    assert after[-1] == "float"


def test_models_take_turns_where_only_one_fits(store: Store, digits: list[bytes]) -> None:
    async def use(pool: Pool) -> tuple[list[str], int]:
        await pool.predict(store.find("tiny"), Question(digits[0], "", 1))
        pool.memory_bytes = pool.used_bytes * 5 // 4
        names = ["tiny", "float"] * 4
        answers = await asyncio.gather(*(pool.predict(store.find(name), Question(digits[0], "", 1)) for name in names))
        return [guesses[0][0] for guesses in answers], len(pool.open_models)

    assert in_pool(store, use) == (["7"] * 8, 1)


def test_a_worker_that_ends_is_started_again(store: Store, digits: list[bytes]) -> None:
    async def use(pool: Pool) -> tuple[str, int]:
        entry = store.find("tiny")
        await pool.predict(entry, Question(digits[0], "", 1))
        (model,) = pool.open_models
        (worker,) = model.workers
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGKILL)
        with pytest.raises(RuntimeCrashError, match="SIGKILL"):
            await pool.predict(entry, Question(digits[0], "", 1))
        guesses = await pool.predict(entry, Question(digits[0], "", 1))
        return guesses[0][0], pool.crashes

    assert in_pool(store, use) == ("7", 1)


def test_a_picture_that_ends_the_worker_fails_alone(store: Store, digits: list[bytes]) -> None:
    """81 million pixels are let through and need 324 MB as numbers, more than this worker may have."""
    hungry = png(np.zeros((9000, 9000, 1), np.uint8))

    async def use(pool: Pool) -> list[str]:
        entry = store.find("tiny")
        await pool.predict(entry, Question(digits[0], "", 1))
        pictures = [digits[0], digits[1], hungry, digits[2]]
        tasks = [pool.predict(entry, Question(picture, "", 1)) for picture in pictures]
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        return [str(answer) if isinstance(answer, BaseException) else answer[0][0] for answer in answers]

    seven, two, error, one = in_pool(store, use, memory=384 << 20)
    assert (seven, two, one) == ("7", "2", "1")
    assert "384 MiB" in error


def test_more_requests_than_can_wait_are_put_off(
    store: Store, digits: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_model, "MAX_WAITING", 4)

    async def use(pool: Pool) -> tuple[int, int]:
        entry = store.find("tiny")
        await pool.predict(entry, Question(digits[0], "", 1))
        tasks = [pool.predict(entry, Question(digit, "", 1)) for digit in digits]
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        return sum(isinstance(a, list) for a in answers), sum(isinstance(a, BusyError) for a in answers)

    answered, refused = in_pool(store, use)
    assert answered >= 4
    assert answered + refused == len(digits)
    assert refused


def test_a_request_that_nobody_waits_for_any_more_is_left_out(store: Store, digits: list[bytes]) -> None:
    async def use(pool: Pool) -> str:
        entry = store.find("tiny")
        tasks = [asyncio.create_task(pool.predict(entry, Question(digit, "", 1))) for digit in digits]
        await asyncio.sleep(0)
        for task in tasks[1:]:
            task.cancel()
        return str((await tasks[0])[0][0])

    assert in_pool(store, use) == "7"
