"""The labels and the teacher's softened answers (Hinton, Vinyals, Dean 2015)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from edgekit.recipe import TrainRecipe
from edgekit.training.losses import cross_entropy


def loss(logits: Tensor, labels: Tensor, answers: Tensor | None, recipe: TrainRecipe) -> Tensor:
    """``(1 - mix) * CE(labels) + mix * T² * KL(teacher / T, student / T)``; without a teacher the labels alone."""
    hard = cross_entropy.loss(logits, labels, None, recipe)
    if answers is None:
        return hard
    return (1 - recipe.mix) * hard + recipe.mix * divergence(logits, answers, recipe.temperature)


def divergence(logits: Tensor, answers: Tensor, temperature: float) -> Tensor:
    """``T² · KL(softmax(answers / T) ‖ softmax(logits / T))``, mean over the batch.

    T² keeps the gradient's size independent of the temperature.
    """
    student = F.log_softmax(logits / temperature, dim=1)
    teacher = F.log_softmax(answers / temperature, dim=1)
    return F.kl_div(student, teacher, log_target=True, reduction="batchmean") * temperature**2
