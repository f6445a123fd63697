"""Photos decoded in several processes, which write what they made into the cache themselves."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import asdict
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.data.files import read_file
from edgekit.data.photo_cache import Shard, write_shard
from edgekit.errors import DataError, input_errors
from edgekit.inputs.contract import InputContract
from edgekit.inputs.decode import decode_image
from edgekit.sandbox import Limits, Sandbox

PROCESSES = min(16, os.cpu_count() or 1)
WORTH_BYTES = 8 << 20
"""Of encoded photos: fewer are decoded before other processes have started."""
SECONDS = 900.0
"""For one task; a photo of the largest size takes one or two."""

Sent = str | NDArray[np.uint8]
"""A photo on its way to another process: its path, or its encoded bytes."""


def decode_photos(
    photos: list[Sent], names: list[str], stamps: list[str], contract: dict[str, Any], folder: str
) -> dict[str, Any]:
    """Decode photos as a model of ``contract`` eats them and store them as a shard in ``folder`` ("" for nowhere).

    Everything is plain, since it travels between processes.

    Returns:
        ``shard``, the fields of a Shard, without a path if it could not be written; ``stored``, the numbers of the
        photos that are in it; ``broken``, pairs of the others' numbers and the reason.
    """
    eats = InputContract.from_dict(contract)
    pixels = np.empty((len(photos), *eats.shape), np.uint8)
    stored: list[int] = []
    sha256: list[str] = []
    broken: list[tuple[int, str]] = []
    for number, (photo, name) in enumerate(zip(photos, names, strict=True)):
        try:
            data = _encoded(photo, name)
            with input_errors(DataError):
                pixels[len(stored)] = eats.read(data, name)
        except DataError as exc:
            broken.append((number, str(exc)))
            continue
        stored.append(number)
        sha256.append(hashlib.sha256(data).hexdigest())
    kept = [stamps[number] for number in stored]
    shard = Shard("", 0, kept, sha256, [])
    if folder and stored:
        with suppress(OSError):  # a full disk costs time, not the run
            shard = write_shard(Path(folder), kept, sha256, pixels[: len(stored)])
    return {"shard": asdict(shard), "stored": stored, "broken": broken}


def photo_shapes(photos: list[Sent], names: list[str]) -> list[Any]:
    """The shape [h, w, c] of each photo, or the reason why it is broken."""
    found: list[Any] = []
    for photo, name in zip(photos, names, strict=True):
        try:
            with input_errors(DataError):
                found.append(decode_image(_encoded(photo, name), name).shape)
        except DataError as exc:
            found.append(str(exc))
    return found


def _encoded(photo: Sent, name: str) -> bytes:
    if isinstance(photo, str):
        return read_file(Path(photo))
    if not len(photo):
        raise DataError(f"{name} has no image bytes; embed the images in the file, or remove it.")
    return photo.tobytes()


def each(
    function: Callable[..., Any], tasks: Iterable[dict[str, Any]], encoded_bytes: int
) -> Generator[Any, None, None]:
    """``function(**task)`` for each task, in order; in several processes if there is so much to decode.

    A task is made when it is sent, a few before the answer is due; its ``names`` are those of its photos.

    Raises:
        RuntimeCrashError: a process crashed over a photo.
    """
    if encoded_bytes < WORTH_BYTES or PROCESSES == 1:
        yield from (function(**task) for task in tasks)
        return
    target = f"{function.__module__}:{function.__name__}"
    idle: SimpleQueue[Sandbox] = SimpleQueue()

    def call(task: dict[str, Any]) -> Any:
        sandbox = idle.get()
        sandbox.subject = f"One of the photos {task['names'][0]} to {task['names'][-1]}"
        try:
            return sandbox.call(target, **task)
        finally:
            idle.put(sandbox)

    with ExitStack() as stack:
        threads = stack.enter_context(ThreadPoolExecutor(PROCESSES))
        for _ in range(PROCESSES):
            idle.put(stack.enter_context(Sandbox("", Limits(SECONDS))))
        waiting: deque[Future[Any]] = deque()
        for task in tasks:
            waiting.append(threads.submit(call, task))
            if len(waiting) > 2 * PROCESSES:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
