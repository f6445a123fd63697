"""How much faster a search is on two machines than on one: nodes of one core each, the same candidates.

    python benchmarks/search/nodes.py runs/nodes --trials 24

A cluster of Ray is started here, first of one node and then of two, each held to a core of its own; the search itself,
which weighs candidates and writes the study, shares these cores. Candidates are drawn by chance, by their numbers, so
that both searches meet the same ones, and the teacher's answers are there before. Which go on to a longer rung depends
on which were there first, so the two do not train as many epochs: efficiency is the epochs a second on two nodes over
twice those on one, the last minutes included, in which one node waits for the other. The cores must have nothing else
to do.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ray.cluster_utils import Cluster
from record import record

from edgekit.search.records import SearchOptions
from edgekit.search.setting import Setting

SMALL = {"object_store_memory": 500 << 20, "include_dashboard": False}


def main(options: argparse.Namespace) -> None:
    """Search on one node and on two, and record."""
    folder = Path(options.folder)
    search = SearchOptions(options.student, max_size=options.max_size, trials=options.trials, sampler="random")
    Setting.of(replace(search, out=folder / "answers", hours=0.0)).explored()
    found = {count: searched(replace(search, out=folder / f"{count}"), options.cores[:count]) for count in (1, 2)}
    pace = {count: one["epochs"] / one["seconds"] for count, one in found.items()}
    efficiency = pace[2] / (2 * pace[1])
    given = {**vars(options), "folder": "DIR"}
    record(__file__, {"options": given, "nodes": found, "efficiency": round(efficiency, 3)}, "DIR ...")


def searched(options: SearchOptions, cores: Sequence[int]) -> dict[str, Any]:
    """What a new search did on nodes of these cores, and its seconds from the connection to the last candidate."""
    assert options.out is not None
    shutil.rmtree(options.out, ignore_errors=True)
    with started(cores) as address:
        setting = Setting.of(replace(options, ray=address))
        begun = time.monotonic()
        study = setting.explored()
        seconds = time.monotonic() - begun
    trained = [one for one in study.found if one.state == "trained"]
    epochs = sum(rung.epochs for one in trained for rung in study.rungs[: len(one.accuracies)])
    counts = {"candidates": len(study.found), "trained": len(trained), "epochs": epochs}
    print(len(cores), round(seconds, 1), counts, flush=True)
    return {"seconds": round(seconds, 1), **counts}


@contextmanager
def started(cores: Sequence[int]) -> Iterator[str]:
    """The address of a cluster of a node for each core; this process may use all of them."""
    before = os.sched_getaffinity(0)
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    os.sched_setaffinity(0, cores)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **SMALL})
    try:
        for core in cores:
            os.sched_setaffinity(0, [core])
            cluster.add_node(num_cpus=1, **SMALL)
        os.sched_setaffinity(0, cores)
        yield cluster.address
    finally:
        cluster.shutdown()
        os.sched_setaffinity(0, before)


def arguments() -> argparse.Namespace:
    """What the command takes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--student", default="mnist-tiny")
    parser.add_argument("--max-size", default="6KB")
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--cores", type=lambda text: [int(core) for core in text.split(",")], default=[0, 1])
    return parser.parse_args()


if __name__ == "__main__":
    main(arguments())
