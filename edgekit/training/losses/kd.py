"""The teacher's softened answers (Hinton, Vinyals, Dean 2015)."""

from __future__ import annotations

from torch import Tensor

from edgekit.recipe import TrainRecipe
from edgekit.tasks.divergence import divergence


def loss(logits: Tensor, labels: Tensor, answers: Tensor, recipe: TrainRecipe) -> Tensor:
    """``T² · KL(teacher / T ‖ student / T)`` of logits and answers [N, classes]; the labels are not looked at."""
    return divergence(logits, answers, recipe.temperature)
