"""Two processes that each learn half of every batch make the network that one makes of the whole."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import torch

PROGRAM = """
import sys
from pathlib import Path

import torch
from torch import distributed, nn

from edgekit.data import open_data
from edgekit.inputs.contract import InputContract
from edgekit.recipe import TrainRecipe
from edgekit.training.loop import TrainRun, train
from edgekit.training.team import Team

data, folder, rank, size = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
own = folder / f"{rank}-of-{size}"
own.mkdir()
if size > 1:
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=size)
torch.set_num_threads(1)
torch.manual_seed(0)
network = nn.Sequential(nn.Conv2d(1, 4, 5, stride=3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 8 * 8, 10))
recipe = TrainRecipe(epochs=2, batch_size=100, optimizer="sgd", learning_rate=0.05, loss="cross_entropy")
team = Team(rank, size, lambda stored: (stored / "told").touch())
kept, metrics = train(network, InputContract(28, 28, 1), open_data(data), TrainRun(recipe, 0, own, team=team))
torch.save(kept.state_dict(), own / "weights.pt")
"""


def test_parts_of_a_batch_add_up_to_it(small_mnist: Path, tmp_path: Path) -> None:
    members = [(0, 1), (0, 2), (1, 2)]
    started = [
        subprocess.Popen([sys.executable, "-c", PROGRAM, str(small_mnist), str(tmp_path), str(rank), str(size)])
        for rank, size in members
    ]
    assert [process.wait(300) for process in started] == [0, 0, 0]
    alone, first, second = (tmp_path / f"{rank}-of-{size}" for rank, size in members)
    files = [(one / "metrics.jsonl").read_text() for one in (alone, first, second)]
    metrics = [[json.loads(line) for line in text.splitlines()] for text in files]
    assert metrics[1] == metrics[2]
    for whole, parts in zip(*metrics[:2], strict=True):
        assert abs(whole["loss"] - parts["loss"]) < 0.02
        assert abs(whole["train_accuracy"] - parts["train_accuracy"]) < 0.01
    weights = [torch.load(one / "weights.pt", weights_only=True) for one in (alone, first, second)]
    for name, value in weights[0].items():
        assert torch.equal(weights[1][name], weights[2][name])
        assert torch.allclose(value, weights[1][name], atol=0.01)
    assert (first / "told").exists()
