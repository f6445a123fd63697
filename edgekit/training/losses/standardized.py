"""Logit standardization (Sun et al. 2024): a loss that listens to the logits' relations, not to their size."""

from __future__ import annotations

from torch import Tensor

from edgekit.recipe import TrainRecipe
from edgekit.training.losses import Loss

SMALLEST = 1e-7
"""Of a standard deviation, so that equal logits stay finite."""


def around(inner: Loss) -> Loss:
    """``inner`` on logits and answers of mean 0 and standard deviation 1 over the classes of each picture.

    A small student then needs not reach a large teacher's logits. The paper takes T = 2.
    """

    def loss(logits: Tensor, labels: Tensor, answers: Tensor, recipe: TrainRecipe) -> Tensor:
        return inner(standard(logits), labels, standard(answers), recipe)

    return loss


def standard(scores: Tensor) -> Tensor:
    """Scores [N, classes] shifted and scaled to mean 0 and standard deviation 1 in each row."""
    deviation, mean = scores.std(1, correction=0, keepdim=True), scores.mean(1, keepdim=True)
    return (scores - mean) / (deviation + SMALLEST)
