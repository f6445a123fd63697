"""Files that take turns in one process, so that whatever disturbs the machine disturbs all of them alike.

A turn is as many runs as fit into a few milliseconds: long enough to be warm, short enough that the machine is the same
for its neighbours. The first of them brings the file back into the caches and does not count, unless it filled the turn
alone. Every other round goes backwards, so that a steady drift cancels.

The whole is repeated in episodes. Where data happen to lie in memory makes a file a few percent faster or slower for
as long as it stays open (T. Mytkowicz and others, Producing Wrong Data Without Doing Anything Obviously Wrong, ASPLOS
2009), so each episode opens the files anew, in another order and at other addresses (C. Curtsinger and E. Berger,
STABILIZER, ASPLOS 2013), and only differences between episodes say how sure the ratio is (T. Kalibera and R. Jones,
Rigorous Benchmarking in Reasonable Time, ISMM 2013).
"""

from __future__ import annotations

import gc
import math
import random
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

from .. import RUNTIMES

EPISODES = 14
TURN_NS = 4_000_000
WARM_UP_NS = 30_000_000
MIN_ROUNDS = 2
MAX_SHIFT = 1 << 18
"""Bytes of the largest gap that is left in memory before a file is opened."""
SPINNING_S = 0.005
"""For so long the threads of a runtime keep looking for work after a run, on the cores that the next file needs."""

Run = Callable[[], object]


def take_turns(request: dict[str, Any], emit: Callable[..., None]) -> dict[str, Any]:
    """``episodes``: per episode and file, the median nanoseconds of a run in each of its turns, in rounds.

    The files are the request's ``model`` and its ``others``, pairs of (runtime, path). Each gets at least ``seconds``
    and ``runs`` over all episodes.

    Raises:
        Refusal: a runtime is missing, or refuses a file.
    """
    files = [(request["runtime"], request["model"]), *request["others"]]
    emit(phase="importing the runtime")
    for name, _ in files:
        RUNTIMES[name].load()
    emit(phase="letting the files take turns")
    rng = random.Random(0)
    episodes = []
    for number in range(EPISODES):
        order = rng.sample(range(len(files)), len(files))
        gaps: list[bytearray] = []
        opened: dict[int, Run] = {}
        for index in order:
            gaps.append(bytearray(rng.randrange(MAX_SHIFT)))
            name, path = files[index]
            opened[index] = RUNTIMES[name].start(path, request["threads"], request["shapes"])
            turn(opened[index], WARM_UP_NS)
        runs = [opened[index] for index in range(len(files))]
        least_runs, seconds = math.ceil(request["runs"] / EPISODES), request["seconds"] / EPISODES
        episodes.append(rounds(runs, order, least_runs, seconds, request["threads"]))
        del runs
        opened.clear()
        gc.collect()
        emit(progress=(number + 1) / EPISODES)
    return {"episodes": episodes}


def turn(run: Run, duration_ns: int) -> list[int]:
    """The nanoseconds of each run for ``duration_ns``, but for the first, if there are more."""
    now = time.perf_counter_ns
    samples: list[int] = []
    begin = ended = now()
    while ended - begin < duration_ns:
        started = now()
        run()
        ended = now()
        samples.append(ended - started)
    return samples[1:] or samples


def rounds(
    runs: Sequence[Run], order: Sequence[int], least_runs: int = 1, seconds: float = 0.0, threads: int = 1
) -> list[list[float]]:
    """The median nanoseconds of each file's turns, until each had its runs and, on average, its seconds.

    ``order`` is that of the first round; ``threads`` are those of the runtimes.
    """
    least_ns = seconds * 1e9 * len(runs)
    medians: list[list[float]] = [[] for _ in runs]
    counts = [0] * len(runs)
    gc.disable()
    begin = time.perf_counter_ns()
    done = 0
    while done < MIN_ROUNDS or min(counts) < least_runs or time.perf_counter_ns() - begin < least_ns:
        for index in order if done % 2 == 0 else order[::-1]:
            if threads > 1:
                time.sleep(SPINNING_S)
            samples = turn(runs[index], TURN_NS)
            medians[index].append(float(statistics.median(samples)))
            counts[index] += len(samples)
        done += 1
    gc.enable()
    return medians
