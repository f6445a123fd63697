"""The labels alone, smoothed as the recipe says."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from edgekit.recipe import TrainRecipe


def loss(logits: Tensor, labels: Tensor, answers: Tensor | None, recipe: TrainRecipe) -> Tensor:
    """Cross-entropy of logits [N, classes] against integer labels [N]; a teacher is not listened to."""
    return F.cross_entropy(logits, labels, label_smoothing=recipe.label_smoothing)
