"""How many times as long one file takes as another, from turns that both took in one process.

An episode's ratio is the median over its rounds of one turn over the other of the same round. The interval is that of
the median over the episodes, which are independent of each other (see ``edgekit.runtimes.worker.turns``): order
statistics of exact binomial ranks (J.-Y. Le Boudec, Performance Evaluation of Computer and Communication Systems, 2010,
theorem 2.1), so it assumes no distribution. Fourteen episodes give the third and the twelfth, with 98.7%; the next pair
would have less than 95%.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgekit.conversion.c.library import run_job
from edgekit.devices.device import Device, Job, Watch
from edgekit.modelfiles.model_ref import ModelRef
from edgekit.profiling.records import LatencyRatio, ProfileOptions
from edgekit.profiling.statistics import exact_ranks

START_S = 600


def compare_latency(
    targets: Sequence[ModelRef], device: Device, options: ProfileOptions, watch: Watch
) -> tuple[LatencyRatio, ...]:
    """Let files take turns on a device; the ratio of each but the first to the first.

    Raises:
        ModelError: a runtime refuses a file.
        RuntimeCrashError: the process crashed, hung or ran out of memory.
        UsageError: a runtime is not installed in the Python that runs the first file.
    """
    reference, *others = targets
    job = Job(
        "turns",
        reference.runtime,
        reference.path,
        options.threads,
        options.runs,
        options.seconds,
        limit_s=START_S + int(2 * options.seconds * len(targets)),
        pin=options.pin,
        others=tuple((target.runtime, target.path) for target in others),
        shapes=options.shape,
    )
    episodes = run_job(device, job, watch)["episodes"]
    return tuple(
        LatencyRatio(
            str(target.path),
            target.runtime,
            str(reference.path),
            reference.runtime,
            *ratio_interval(ratios := episode_ratios(episodes, index)),
            episodes=ratios,
            rounds=sum(len(turns[index]) for turns in episodes),
        )
        for index, target in enumerate(others, start=1)
    )


def episode_ratios(episodes: Sequence[Sequence[Sequence[float]]], index: int) -> tuple[float, ...]:
    """Of the worker's ``episodes``, the ratio of file ``index`` to the first in each."""
    return tuple(float(np.median(np.divide(turns[index], turns[0]))) for turns in episodes)


def ratio_interval(ratios: Sequence[float]) -> tuple[float, float, float]:
    """Median, low and high of the episodes' ratios."""
    ordered = sorted(ratios)
    low, high = exact_ranks(len(ordered))
    return float(np.median(ordered)), ordered[low - 1], ordered[high - 1]
