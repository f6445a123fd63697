"""Whether something that is known of a network before its training says how well it will learn.

    python benchmarks/search/scores.py cifar-xs cifar10.npz runs/scores --max-size 40000 --max-latency 2 \
        --device raspberry-pi-4b

Networks of a student's space are drawn by chance, those that a search would train are trained, and each score is
compared with the validation loss by Spearman's rank correlation; -1 is a score that orders them as they end. Beside
them: the loss after a third of the steps, which is a search's first rung, and all of them its second. What an earlier
call with the same folder has trained is not trained again.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from record import record

from edgekit.errors import ModelError
from edgekit.files import write_json
from edgekit.options import build, byte_size
from edgekit.search.halving import rungs_of
from edgekit.search.records import SearchOptions, milliseconds
from edgekit.search.setting import Setting
from edgekit.search.study import OF_INTEREST
from edgekit.search.weighing import Weighed
from edgekit.training.inputs import Inputs

BATCH = 64
Score = Callable[[nn.Module, Tensor, Tensor], float]


def main(options: argparse.Namespace) -> None:
    """Draw, train and compare."""
    shared = {"student": options.student, "data": options.data, "seed": options.seed, "out": options.folder}
    limits = {"device": options.device, "max_size": options.max_size, "max_latency": options.max_latency}
    given = {**shared, **{key: value for key, value in limits.items() if value}}
    folder = Path(options.folder)
    known = folder / "networks.json"
    rows: list[dict[str, Any]] = json.loads(known.read_text()) if known.exists() else []
    with Setting.of(build(SearchOptions, given)) as setting:
        card = setting.family.card
        short, recipe = rungs_of(card.recipes["full"], len(setting.school.data(card.contract).train))[:2]
        for number, weighed in enumerate(drawn(setting, options.networks)):
            if number < len(rows):
                continue
            row = {"network": str(weighed.candidate), **weighed.costs.known(), **scores_of(setting, weighed)}
            for name, one in (("short", short), ("loss", recipe)):
                begun = time.perf_counter()
                network = copy.deepcopy(weighed.network)
                run = folder / f"{name}-{number}"
                row[name], row[f"{name} accuracy"] = setting.school.teach(network, weighed.candidate.contract, one, run)
                row[f"{name} seconds"] = round(time.perf_counter() - begun, 1)
            rows.append(row)
            print(number, row, flush=True)
            write_json(known, rows)
    losses, found = [row["loss"] for row in rows], {}
    for name in [name for name in rows[0] if name not in ("network", "loss") and " " not in name]:
        test = spearmanr([row[name] for row in rows], losses)
        found[name] = {"spearman": round(float(test.statistic), 3), "p": float(f"{test.pvalue:.2g}")}
        print(name, found[name])
    given = {**vars(options), "data": Path(options.data).name, "folder": "DIR"}
    result = {"options": given, "scores": found, "networks": rows}
    record(__file__, result, "STUDENT DATA DIR ...", name=f"scores-{options.student}")


def drawn(setting: Setting, count: int) -> Any:
    """So many networks that a search would train, by chance."""
    rng = np.random.default_rng(setting.options.seed)
    keys = set()
    while len(keys) < count:
        values = {axis.name: axis.values[rng.integers(len(axis.values))] for axis in setting.family.space.axes}
        try:
            weighed = setting.scales.weigh(values)
        except ModelError:
            continue
        costs, limits = weighed.costs, setting.gauge.limits
        if costs.beyond(limits) or costs.spare(limits) > 1 - OF_INTEREST or weighed.key in keys:
            continue
        keys.add(weighed.key)
        yield weighed


def scores_of(setting: Setting, weighed: Weighed) -> dict[str, float]:
    """All of one network, untrained."""
    contract = weighed.candidate.contract
    split = setting.school.data(contract).train
    rows = np.random.default_rng(0).permutation(len(split))[:BATCH]
    images = torch.from_numpy(Inputs(len(split), split.images.__getitem__, contract)[rows])
    labels = torch.from_numpy(split.labels[rows])
    found = {"parameters": float(sum(one.numel() for one in weighed.network.parameters()))}
    for name, score in SCORES.items():
        torch.manual_seed(0)
        found[name] = score(copy.deepcopy(weighed.network).float(), images, labels)
    return found


def macs(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Multiplications of one image."""
    found = 0.0

    def count(layer: Any, given: Any, result: Tensor) -> None:
        nonlocal found
        found += layer.weight.numel() * (result[0, 0].numel() if result.dim() == 4 else 1)

    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(count)
    with torch.no_grad():
        network.eval()(images[:1])
    return found


def synflow(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Tanaka et al. 2020; logarithm, by the layers (Abdelfattah et al. 2021)."""
    network.eval().double()
    with torch.no_grad():
        for one in network.state_dict().values():
            one.abs_()
    network.zero_grad()
    network(torch.ones_like(images[:1], dtype=torch.double)).sum().backward()
    products = [(one.grad * one).sum().item() for one in network.parameters() if one.grad is not None]
    return math.log(max(sum(products), 1e-300))


def naswot(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Mellor et al. 2021: how differently images switch the activations."""
    kernel = torch.zeros(len(images), len(images), dtype=torch.double)

    def note(layer: Any, given: Any, result: Tensor) -> None:
        nonlocal kernel
        on = (given[0].flatten(1) > 0).double()
        kernel += on @ on.T + (1 - on) @ (1 - on).T

    for layer in network.modules():
        if isinstance(layer, nn.ReLU | nn.ReLU6 | nn.Hardswish | nn.SiLU):
            layer.register_forward_hook(note)
    with torch.no_grad():
        network.train()(images)
    return float(torch.linalg.slogdet(kernel).logabsdet)


def gradient(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The norm of the gradient of the loss."""
    cross_entropy(network.train()(images), labels).backward()
    return math.sqrt(sum(float(one.grad.pow(2).sum()) for one in network.parameters() if one.grad is not None))


def zen(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Lin et al. 2021: how much the features before the head change with noise; their scale by batch normalization."""
    scales: list[float] = []

    def note(layer: Any, given: Any, result: Any) -> None:
        scales.append(given[0].var((0, 2, 3)).mean().clamp_min(1e-12).sqrt().log().item())

    features = nn.Sequential(*list(network.children())[:-1]) if len(list(network.children())) > 1 else network
    for layer in features.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.register_forward_hook(note)
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight)
    noise = torch.randn_like(images)
    with torch.no_grad():
        features.train()
        own = features(noise)
        first = len(scales)
        other = features(noise + 0.01 * torch.randn_like(noise))
    return math.log(float((own - other).abs().mean())) + sum(scales[:first])


SCORES: dict[str, Score] = {"macs": macs, "synflow": synflow, "naswot": naswot, "gradient": gradient, "zen": zen}


def arguments() -> argparse.Namespace:
    """What the command takes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("student", "data", "folder"):
        parser.add_argument(name)
    parser.add_argument("--device", default="")
    parser.add_argument("--max-size", type=byte_size)
    parser.add_argument("--max-latency", type=milliseconds)
    parser.add_argument("--networks", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main(arguments())
