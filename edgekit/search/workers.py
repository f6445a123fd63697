"""Workers of one study on one machine: processes that each take trials from its file until the search is over."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from typing import TYPE_CHECKING

from edgekit.console import quiet

if TYPE_CHECKING:
    from edgekit.search.records import SearchOptions
    from edgekit.search.study import Found


@contextmanager
def beside(options: SearchOptions, trials: float, until: float) -> Iterator[None]:
    """The workers beside this process, which is the first; in the end their trials are finished too.

    One that ends before leaves its trial, which the next call goes on with.
    """
    import torch

    threads = torch.get_num_threads()
    share = max(1, threads // options.workers)
    start = get_context("spawn").Process
    others = [
        start(target=_work, args=(options, number, trials, until, share, os.getpid()), daemon=True)
        for number in range(1, options.workers)
    ]
    torch.set_num_threads(share)
    try:
        for process in others:
            process.start()
        yield
        for process in others:
            process.join()
    finally:
        torch.set_num_threads(threads)
        for process in others:
            if process.pid is not None:
                process.terminate()


def _work(options: SearchOptions, number: int, trials: float, until: float, threads: int, parent: int) -> None:
    """What such a process does."""
    import torch

    from edgekit.search.setting import Setting

    def watch(found: Sequence[Found]) -> None:
        if os.getppid() != parent:  # it was killed: whoever takes up the study must not meet us
            raise KeyboardInterrupt

    torch.set_num_threads(threads)
    with quiet(), suppress(KeyboardInterrupt):
        Setting.of(options).study().work(trials, until, watch, number)
