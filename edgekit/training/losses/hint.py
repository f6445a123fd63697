"""Feature hints (FitNets, Romero et al. 2015): what a student sees before its head, compared with its teacher's."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from edgekit.recipe import TrainRecipe


def loss(features: Tensor, labels: Tensor, answers: Tensor, recipe: TrainRecipe) -> Tensor:
    """Squared distance of ``features`` [N, D] from the teacher's, ``answers`` [N, D], mean over the batch: 0 to 4.

    Each picture's features have length 1 there, so the distance is twice what the cosine of their angle lacks of 1.
    """
    return (F.normalize(features) - F.normalize(answers)).square().sum(1).mean()
