"""A training on a cluster: what stands in its way is named, and a node that dies changes nothing of what is made."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from edgekit.catalog import catalog_folder
from edgekit.data import open_data
from edgekit.data.factory import load_factory
from edgekit.errors import DeviceError, UsageError
from edgekit.inputs.contract import InputContract
from edgekit.recipe import TrainRecipe
from edgekit.training import checkpoint
from edgekit.training import cluster as home
from edgekit.training.distill import DistillOptions, distill
from edgekit.training.loop import TrainRun
from edgekit.training.recipe_options import DistillRecipeOptions
from edgekit.training.together import PROCESSES, train_together

TEACHER = str(catalog_folder("students") / "mnist-linear" / "model.onnx")
NETWORK = """
import time
from pathlib import Path

import torch
from torch import nn


class Waits(nn.Module):
    def __init__(self, mark):
        super().__init__()
        self.mark, self.steps = mark, 0

    def forward(self, images):
        if self.training:
            self.steps += 1
            if self.steps == 5 and torch.distributed.get_rank() == 0 and not Path(self.mark).exists():
                import ray

                Path(self.mark).write_text(ray.get_runtime_context().get_node_id())
                time.sleep(600)
        return images


def network(mark):
    layers = [Waits(mark), nn.Conv2d(1, 8, 3, stride=4), nn.BatchNorm2d(8), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))
"""
"""Whose first process says, in the second epoch of four steps, on which node it is, and stops there; but once."""


@pytest.fixture
def network(tmp_path: Path) -> Any:
    path = tmp_path / "waits.py"
    path.write_text(NETWORK)
    return load_factory(f"{path}:network", UsageError)


class OneCore:
    """Of a cluster, where what is begun is noted, and nothing is done."""

    cores, address = 1, "nowhere"

    def __init__(self) -> None:
        self.begun: list[Any] = []

    def near(self, what: Any, *given: Any) -> None:
        self.begun.append(given)

    def sent(self, *_: object) -> list[Any]:
        return []

    def done(self, *_: object) -> Any:
        return {}, []


def test_an_address_where_no_cluster_is_is_named() -> None:
    pytest.importorskip("ray")
    with pytest.raises(DeviceError, match=r"--ray 127.0.0.1:9: no cluster answers \(.*refused\); start one with"):
        home.Cluster("127.0.0.1:9")


def test_a_node_with_another_edgekit_is_named(nodes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home, "__version__", "99.0")
    with pytest.raises(
        DeviceError, match=r"the node [\d.]+ has EdgeKit .*, and here is EdgeKit 99.0; install the same there"
    ):
        home.Cluster(nodes.address)


def test_a_run_goes_on_with_as_many_processes_as_began_it_and_is_no_other(small_mnist: Path, tmp_path: Path) -> None:
    data, contract = open_data(str(small_mnist)), InputContract(28, 28, 1)
    before = TrainRun(TrainRecipe(), 0, tmp_path, {"network": "tiny", PROCESSES: "3"})
    checkpoint.save(tmp_path, {"run": {**before.identity(data), "threads": 1}, "metrics": []})
    run, cluster = replace(before, origin={"network": "tiny"}, resume=True), OneCore()
    train_together(cluster, nn.Identity(), contract, data, run, None)  # type: ignore[arg-type]
    (files,), (_, count, share, *_) = cluster.begun
    assert files["checkpoint.pt"] == (tmp_path / "checkpoint.pt").read_bytes()
    assert (count, share) == (3, 1 / 3)
    with pytest.raises(UsageError, match=r"checkpoint\.pt belongs to a run with another seed"):
        train_together(cluster, nn.Identity(), contract, data, replace(run, seed=1), None)  # type: ignore[arg-type]


def test_a_node_that_dies_costs_nothing_but_the_epoch(
    nodes: Any, network: Any, small_mnist: Path, tmp_path: Path
) -> None:
    mark, never, lines = tmp_path / "mark", tmp_path / "never", []
    never.write_text("nobody waits")

    def made(name: str, mark: Path) -> tuple[str, str]:
        torch.manual_seed(0)
        recipe = DistillRecipeOptions(epochs=3, batch_size=300, learning_rate=0.01)
        given = {"data": str(small_mnist), "out": tmp_path / name, "recipe": recipe, "ray": nodes.address}
        sha256 = distill(DistillOptions(network(str(mark)), TEACHER, **given)).sha256
        return sha256, (tmp_path / name / "metrics.jsonl").read_text()

    def kill() -> None:
        while not (mark.exists() and mark.read_text() and (tmp_path / "killed" / "metrics.jsonl").exists()):
            time.sleep(0.05)
        lines.extend((tmp_path / "killed" / "metrics.jsonl").read_text().splitlines())
        dead = next(node for node in nodes.worker_nodes if node.node_id == mark.read_text())
        nodes.remove_node(dead, allow_graceful=False)

    undisturbed = made("undisturbed", never)
    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    assert made("killed", mark) == undisturbed
    killer.join()
    assert len(nodes.worker_nodes) == 1
    assert len(lines) == 1
