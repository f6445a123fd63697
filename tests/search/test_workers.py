"""Several workers of one study: threads, and the nodes of a cluster, one of which is killed in the middle."""

from __future__ import annotations

import math
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from edgekit.search import halving
from edgekit.search.records import SearchOptions
from edgekit.search.setting import Setting
from edgekit.search.study import Study
from edgekit.search.workers import Threads
from edgekit.training import loop

FAMILY = """
import time
from pathlib import Path

from torch import nn

MARK = Path({mark!r})


class Stuck(nn.Module):
    def forward(self, images):
        if self.training and not MARK.exists():
            import ray

            try:
                with MARK.open("x") as mark:
                    mark.write(ray.get_runtime_context().get_node_id())
            except FileExistsError:
                return images
            time.sleep(600)
        return images


def network(shape, classes, width=range(4, 60)):
    layers = [Stuck(), nn.Conv2d(shape[-1], width, 3, stride=4), nn.BatchNorm2d(width), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes))
"""
"""Whose first training, wherever it is, says on which node it is and does not end."""


class Here:
    """Trains as a cluster of this process would."""

    def __init__(self) -> None:
        self.told, self.train = threading.Event(), loop.train

    def interrupt(self) -> None:
        self.told.set()


@pytest.fixture(autouse=True)
def two_rungs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(halving, "STEPS", 2)


@pytest.fixture
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def unseen(found: object) -> None:
    pass


def test_a_worker_ends_when_the_command_that_began_it_is_killed() -> None:
    script = """
from multiprocessing import get_context

from edgekit.search.workers import _end_with_parent

worker = get_context("spawn").Process(target=_end_with_parent)
worker.start()
print("begun", flush=True)
worker.join()
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "begun\n"
        parent.kill()
        assert parent.communicate(timeout=60)[0] == ""  # whose end comes when the worker has let go of it too


def interrupted_when_one_trains(study: Study) -> None:
    while not any(one.state == "running" and one.costs.bytes for one in study.found):
        time.sleep(0.01)
    raise KeyboardInterrupt


def kill_named(nodes: Any, mark: Path) -> None:
    """Kill the node whose name is, or will be, in a file."""
    while not (mark.exists() and mark.read_text()):
        time.sleep(0.05)
    dead = next(node for node in nodes.worker_nodes if node.node_id == mark.read_text())
    nodes.remove_node(dead, allow_graceful=False)


def test_several_workers_train_as_many_candidates_as_were_asked_for(options: SearchOptions) -> None:
    crew = Threads(Here(), 3)  # type: ignore[arg-type]
    study = Setting.of(options).study(crew.train)
    with crew.beside(study, 4, math.inf):
        study.work(4, math.inf, unseen, of=3)
    assert study.trained == 4
    assert "running" not in {one.state for one in study.found}


def test_an_interrupt_of_the_first_ends_all_and_the_next_call_takes_up_what_they_left(options: SearchOptions) -> None:
    far = Here()

    def waits(*_: object) -> Any:
        far.told.wait()
        raise KeyboardInterrupt

    far.train = waits  # type: ignore[assignment]
    crew = Threads(far, 2)  # type: ignore[arg-type]
    study = Setting.of(options).study(crew.train)
    with pytest.raises(KeyboardInterrupt), crew.beside(study, 4, math.inf):
        interrupted_when_one_trains(study)
    left = [one.number for one in study.found if one.state == "running"]
    assert left
    study = Setting.of(options).explored()
    assert all(study.study.trials[number].state.is_finished() for number in left)
    assert "running" not in {one.state for one in study.found}


def test_no_ray_is_imported_where_none_is_asked_for() -> None:
    code = "import sys, edgekit.search.search, edgekit.training.together; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_ray_that_is_not_installed_is_missed_by_its_name(
    options: SearchOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ModuleNotFoundError) as caught:
        Setting.of(replace(options, ray="auto")).explored()
    assert caught.value.name == "ray"


def test_a_node_that_is_killed_in_the_middle_costs_nothing(
    nodes: Any, options: SearchOptions, tmp_path: Path, one_thread: None
) -> None:
    mark, family = tmp_path / "mark", tmp_path / "stuck.py"
    family.write_text(FAMILY.format(mark=str(mark)))
    # By chance alone a candidate depends on its place, not on which of the others were done before it.
    drawn = replace(options, student=f"{family}:network", sampler="random")
    far = replace(drawn, out=tmp_path / "far", ray=nodes.address)

    killer = threading.Thread(target=lambda: kill_named(nodes, mark), daemon=True)
    killer.start()
    trained = [one for one in Setting.of(far).explored().found if one.state == "trained"]
    killer.join()
    assert len(nodes.worker_nodes) == 1
    assert len(trained) == 4
    here = {one.network: one for one in Setting.of(replace(drawn, out=tmp_path / "here")).explored().found}
    for one in trained:
        assert one.accuracies[0] == here[one.network].accuracies[0]
