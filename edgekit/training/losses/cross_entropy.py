"""The labels, smoothed as the recipe says."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from edgekit.recipe import TrainRecipe


def loss(logits: Tensor, labels: Tensor, answers: Tensor | None, recipe: TrainRecipe) -> Tensor:
    """Cross-entropy of logits [N, classes] against labels, mean over the batch; a teacher is not listened to."""
    classes = logits.shape[1]
    wanted = shares(labels, classes)
    smoothed = (1 - recipe.label_smoothing) * wanted + wanted.sum(1, keepdim=True) * recipe.label_smoothing / classes
    return -(smoothed * F.log_softmax(logits, 1)).sum() / len(logits)


def shares(labels: Tensor, classes: int) -> Tensor:
    """Labels as float32 [N, classes]: shares of classes are, and numbers [N] become ones."""
    if labels.ndim == 2:
        return labels
    return (labels[:, None] == torch.arange(classes)).float()
