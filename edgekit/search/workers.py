"""Who works on a study: processes of this machine that share its file, or threads that train on a cluster.

The first worker is whoever calls; the others take trials beside it until the search is over.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from multiprocessing import get_context, parent_process
from multiprocessing.process import BaseProcess
from pickle import PicklingError
from threading import Thread
from typing import TYPE_CHECKING

from edgekit.console import quiet, say
from edgekit.errors import EdgekitError, UsageError
from edgekit.runtimes.refusal import first_line
from edgekit.training.cluster import Cluster

if TYPE_CHECKING:
    from edgekit.search.records import SearchOptions
    from edgekit.search.study import Study
    from edgekit.search.trials import Found
    from edgekit.training.loop import Train


class Crew:
    """``count`` workers; what they ``train`` with is None for the training loop."""

    def __init__(self, count: int, train: Train | None = None) -> None:
        self.count, self.train = count, train

    def beside(self, study: Study, trials: float, until: float) -> AbstractContextManager[None]:
        """The workers beside this one; in the end their trials are finished too.

        One that ends before leaves its trial, which the next call goes on with.
        """
        raise NotImplementedError


@contextmanager
def crew_of(options: SearchOptions) -> Iterator[Crew]:
    """Who the options say.

    Raises:
        DeviceError: there is no such cluster, or it cannot train.
    """
    if not options.ray:
        yield Processes(options)
        return
    with Cluster(options.ray) as cluster:
        yield Threads(cluster, options.workers or cluster.cores)


class Processes(Crew):
    """Each opens the study's file and has its share of the cores."""

    def __init__(self, options: SearchOptions) -> None:
        super().__init__(options.workers or 1)
        self.options = options

    @contextmanager
    def beside(self, study: Study, trials: float, until: float) -> Iterator[None]:
        """See ``Crew``."""
        import torch

        threads = torch.get_num_threads()
        share = max(1, threads // self.count)
        start = get_context("spawn").Process
        others = [
            start(target=_work, args=(self.options, number, self.count, trials, until, share), daemon=True)
            for number in range(1, self.count)
        ]
        torch.set_num_threads(share)
        try:
            for process in others:
                _start(process)
            yield
            for number, process in enumerate(others, 1):
                process.join()
                if process.exitcode:
                    say(f"worker {number} failed and left its candidate (exit status {process.exitcode})")
        finally:
            torch.set_num_threads(threads)
            for process in others:
                if process.pid is not None:
                    process.terminate()


def _start(process: BaseProcess) -> None:
    try:
        process.start()
    except (AttributeError, TypeError, PicklingError) as exc:  # by the object, as one that was typed cannot be sent
        raise UsageError(
            f"What the search is given cannot go to another process ({first_line(exc)}); put functions into a module, "
            "or take one worker."
        ) from exc


def _work(options: SearchOptions, number: int, count: int, trials: float, until: float, threads: int) -> None:
    """What such a process does."""
    import torch

    from edgekit.search.setting import Setting

    Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    try:
        with quiet(), suppress(KeyboardInterrupt), Setting.of(options) as setting:
            setting.study().work(trials, until, _unseen, number, count)
    except EdgekitError as exc:
        sys.exit(str(exc))


def _end_with_parent() -> None:
    """Where the parent is killed this process ends: whoever takes up the study must not meet it."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


class Threads(Crew):
    """All weigh candidates and write the study here; a cluster trains. So no file has to be shared among machines."""

    def __init__(self, cluster: Cluster, count: int) -> None:
        super().__init__(count, cluster.train)
        self.cluster = cluster

    @contextmanager
    def beside(self, study: Study, trials: float, until: float) -> Iterator[None]:
        """See ``Crew``."""

        def work(number: int) -> None:
            with quiet(), suppress(KeyboardInterrupt):
                study.work(trials, until, _unseen, number, self.count)

        with ThreadPoolExecutor(self.count) as pool:
            others = [pool.submit(work, number) for number in range(1, self.count)]
            try:
                yield
                for other in others:
                    other.result()
            except BaseException:
                self.cluster.interrupt()
                raise


def _unseen(found: Sequence[Found]) -> None:
    """The first worker shows what there is."""
