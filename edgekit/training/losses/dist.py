"""DIST (Huang et al. 2022, "Knowledge Distillation from A Stronger Teacher"): relations instead of exact answers."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from edgekit.recipe import TrainRecipe

SMALLEST = 1e-8
"""Of a row's length about its mean: what does not vary is related to nothing."""


def loss(
    logits: Tensor, labels: Tensor, answers: Tensor, recipe: TrainRecipe, *, beta: float = 2.0, gamma: float = 2.0
) -> Tensor:
    """``T² · (beta · inter + gamma · intra)`` of logits and answers [N, classes]; the labels are not looked at.

    Both are 1 - Pearson's correlation of the softened probabilities: ``inter`` of the classes of a picture, ``intra``
    of the pictures of a batch for a class.
    """
    student, teacher = ((scores / recipe.temperature).softmax(1) for scores in (logits, answers))
    inter, intra = 1 - _correlation(student, teacher), 1 - _correlation(student.T, teacher.T)
    return recipe.temperature**2 * (beta * inter + gamma * intra)


def _correlation(a: Tensor, b: Tensor) -> Tensor:
    """Pearson's correlation of rows, mean over them."""
    a, b = (F.normalize(rows - rows.mean(1, keepdim=True), dim=1, eps=SMALLEST) for rows in (a, b))
    return (a * b).sum(1).mean()
