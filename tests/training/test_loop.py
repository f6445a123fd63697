"""What the loop keeps (the moving average of the weights, the best epoch), the pace of each parameter, what is seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from edgekit.catalog import network_card
from edgekit.data.dataset import Dataset, Split
from edgekit.errors import DataError
from edgekit.inputs.contract import InputContract
from edgekit.recipe import Augmentation, TrainRecipe
from edgekit.training.augment import View
from edgekit.training.loop import TrainRun, evaluate, kept_epoch, require_labels, train
from edgekit.training.recipe_options import RecipeOptions

CONTRACT = InputContract(28, 28, 1)
STEPS = 24


@pytest.fixture(scope="module")
def few(mnist: Dataset) -> Dataset:
    """24 batches of 32 images."""
    rows = np.arange(STEPS * 32)
    return Dataset(
        "few", mnist.classes, mnist.train.take(rows), mnist.validation.take(rows), Split(rows[:0, None, None, None]), ""
    )


def validation(few: Dataset, folder: Path, ema: float, epochs: int) -> list[float]:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 16, 7, stride=4), nn.BatchNorm2d(16), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 6 * 6, 10)
    )
    recipe = TrainRecipe(epochs=epochs, batch_size=32, learning_rate=1e-2, ema=ema, warmup_epochs=0.5)
    _, metrics = train(network, CONTRACT, few, TrainRun(recipe, 0, folder))
    return [record.validation_accuracy for record in metrics]


def test_a_long_average_follows_the_network_from_the_first_epochs_on(few: Dataset, tmp_path: Path) -> None:
    network = validation(few, tmp_path / "network", ema=0.0, epochs=4)
    average = validation(few, tmp_path / "average", ema=0.998, epochs=4)
    assert network[-1] > 0.8
    for ours, theirs in zip(average, network, strict=True):
        assert ours > theirs - 0.05


def test_an_average_with_no_memory_is_the_network(few: Dataset, tmp_path: Path) -> None:
    network = validation(few, tmp_path / "network", ema=0.0, epochs=1)
    assert validation(few, tmp_path / "average", ema=1e-9, epochs=1) == pytest.approx(network, abs=0.01)


@pytest.mark.parametrize(("schedule", "shares"), [("linear", (3, 2, 1, 0)), ("cosine", (3.414, 2, 0.586, 0))])
def test_the_learning_rate_ends_at_zero(schedule: str, shares: tuple[float, ...], few: Dataset, tmp_path: Path) -> None:
    recipe = TrainRecipe(epochs=4, batch_size=32, learning_rate=1e-2, warmup_epochs=0, schedule=schedule)
    _, metrics = train(small_network(), CONTRACT, few, TrainRun(recipe, 0, tmp_path))
    assert [record.learning_rate for record in metrics] == pytest.approx([share / 400 for share in shares], abs=2e-4)


@pytest.mark.parametrize(("loss", "is_asked"), [("cross_entropy", False), ("0.1*cross_entropy + 0.9*kd", True)])
def test_a_teacher_is_asked_where_the_loss_looks_at_its_answers(
    loss: str, is_asked: bool, few: Dataset, tmp_path: Path
) -> None:
    asked: list[int] = []

    def answers(view: View) -> NDArray[np.float32]:
        asked.append(view.number)
        return np.zeros((len(view), 10), np.float32)

    recipe = TrainRecipe(epochs=2, batch_size=32, loss=loss)
    train(small_network(), CONTRACT, few, TrainRun(recipe, 0, tmp_path), answers)
    assert bool(asked) == is_asked


def small_network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(49, 20), nn.ReLU(), nn.Linear(20, 10))


def test_the_best_epoch_is_kept_where_the_recipe_says_so(few: Dataset, tmp_path: Path) -> None:
    spoiling = TrainRecipe(epochs=6, batch_size=32, learning_rate=0.5, warmup_epochs=4, keep="best")
    network, metrics = train(small_network(), CONTRACT, few, TrainRun(spoiling, 0, tmp_path))
    best = kept_epoch(spoiling, metrics)
    assert best.validation_accuracy == max(record.validation_accuracy for record in metrics)
    assert best.validation_accuracy > metrics[-1].validation_accuracy
    assert evaluate(network, CONTRACT, few.validation) == best.validation_accuracy


def test_parameters_learn_at_their_own_pace_and_frozen_ones_not_at_all(few: Dataset, tmp_path: Path) -> None:
    network, born = small_network(), small_network().state_dict()
    network[4].bias.requires_grad_(False)
    paces = {"2.weight": 1e-3, "2.bias": 1e-3}
    recipe = TrainRecipe(epochs=1, batch_size=32, learning_rate=1e-3, weight_decay=0)
    trained, _ = train(network, CONTRACT, few, TrainRun(recipe, 0, tmp_path, paces=paces))
    moved = {name: float((value - born[name]).abs().max()) for name, value in trained.state_dict().items()}
    assert moved["4.bias"] == 0
    assert 0 < 50 * moved["2.weight"] < moved["4.weight"]


class Watching(nn.Module):
    """A network that remembers the batches it learns."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.seen = small_network(), list[torch.Tensor]()

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.seen.append(inputs.clone())
        return self.inner(inputs)


@pytest.mark.parametrize("flip", [0.0, 0.5])
def test_a_view_that_comes_again_is_mirrored_at_random_where_the_recipe_flips(
    few: Dataset, tmp_path: Path, flip: float
) -> None:
    network, answered = Watching(), []

    def answers(view: View) -> NDArray[np.float16]:
        answered.append(view)
        return np.zeros((len(view), 10), np.float16)

    recipe = TrainRecipe(epochs=2, views=1, batch_size=32, augmentation=Augmentation(flip=flip))
    train(network, CONTRACT, few, TrainRun(recipe, 0, tmp_path), answers)
    first, again = (
        {picture.numpy().tobytes() for batch in batches for picture in batch}
        for batches in (network.seen[:STEPS], network.seen[STEPS:])
    )
    mirrored = {picture.flip(2).numpy().tobytes() for batch in network.seen[:STEPS] for picture in batch}
    assert len(answered) == 1
    assert again <= first | mirrored
    assert len(again - first) == pytest.approx(flip * len(few.train), rel=0.2)


class Masked(nn.Module):
    """A buffer may be infinite, as masks of attention are."""

    def __init__(self) -> None:
        super().__init__()
        self.head = small_network()
        self.register_buffer("mask", torch.tensor([-torch.inf, 0.0]))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(images) + self.mask.clamp(min=0).sum()
        return logits


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_a_buffer_that_is_infinite_is_no_divergence(ema: float, few: Dataset, tmp_path: Path) -> None:
    recipe = TrainRecipe(epochs=1, batch_size=32, learning_rate=1e-2, ema=ema)
    network, _ = train(Masked(), CONTRACT, few, TrainRun(recipe, 0, tmp_path))
    assert torch.equal(network.mask, torch.tensor([-torch.inf, 0.0]))


def test_the_warm_up_keeps_its_share_of_other_epochs() -> None:
    card = network_card("students", "cifar-s")
    usual, short = RecipeOptions().of(card), RecipeOptions(epochs=4).of(card)
    assert short.warmup_epochs / short.epochs == pytest.approx(usual.warmup_epochs / usual.epochs)


def test_one_class_alone_teaches_nothing_whatever_its_number(few: Dataset) -> None:
    assert few.train.labels is not None
    alone = replace(few, train=few.train.take(np.flatnonzero(few.train.labels == 1)), test=few.validation)
    with pytest.raises(DataError, match="has one class"):
        require_labels(alone)
