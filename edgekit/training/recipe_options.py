"""What a user says of a card's recipe: which one, and what to change of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from edgekit.catalog import NetworkCard
from edgekit.console import say
from edgekit.options import Options, option
from edgekit.recipe import TrainRecipe
from edgekit.training.losses import Loss, find_loss, losses

FEWEST_STEPS = 4
"""In an epoch of few images."""


@dataclass(frozen=True)
class RecipeOptions(Options):
    """A recipe by its name or as it is, and figures that stand in for its own."""

    recipe: str | TrainRecipe = option("A recipe of the card.", "full")
    epochs: int | None = option("Override the recipe's epochs.", None, least=1)
    batch_size: int | None = option("Override the recipe's batch size.", None, least=2)
    learning_rate: float | None = option("Override the recipe's peak learning rate.", None)
    loss: str | Callable[..., Any] = option(
        f"Override the recipe's loss, a weighted sum of {', '.join(losses())}.", "", metavar="SUM"
    )

    @property
    def own_loss(self) -> Loss | None:
        """The user's own loss, if it is a function."""
        return None if isinstance(self.loss, str) else self.loss

    def of(self, card: NetworkCard, images: int | None = None) -> TrainRecipe:
        """The recipe of a card, changed.

        The warm-up keeps its share of the epochs. Where ``images``, those for training, are no whole batch, it has
        smaller ones, said aloud, unless the user said their size.

        Raises:
            UnknownNameError: the card has no such recipe.
            UsageError: a figure is not allowed.
        """
        changes = {name: value for name, value in vars(self).items() if name != "recipe"}
        loss = self.loss
        changes["loss"] = (loss if isinstance(loss, str) else getattr(loss, "__qualname__", "own")) or None
        chosen = card.recipe(self.recipe) if isinstance(self.recipe, str) else self.recipe
        if self.epochs is not None:
            changes["warmup_epochs"] = chosen.warmup_epochs * self.epochs / chosen.epochs
        recipe = chosen.override(**changes)
        if self.own_loss is None:
            find_loss(recipe.loss)
        if images is None or images >= recipe.batch_size or self.batch_size is not None:
            return recipe
        fitting = max(2, images // FEWEST_STEPS)
        say(f"{images} training images are no batch of {recipe.batch_size}: they are learned in batches of {fitting}")
        return replace(recipe, batch_size=fitting)


@dataclass(frozen=True)
class DistillRecipeOptions(RecipeOptions):
    """The same with what concerns a teacher's answers."""

    temperature: float | None = option("Override T of the soft answers.", None)
