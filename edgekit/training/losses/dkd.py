"""Decoupled knowledge distillation (Zhao et al. 2022): the target's share of a teacher's answer apart from the rest."""

from __future__ import annotations

import torch
from torch import Tensor

from edgekit.recipe import TrainRecipe
from edgekit.tasks.divergence import divergence


def loss(
    logits: Tensor, labels: Tensor, answers: Tensor, recipe: TrainRecipe, *, alpha: float = 1.0, beta: float = 8.0
) -> Tensor:
    """``alpha · TCKD + beta · NCKD`` of logits and answers [N, classes], both times T².

    TCKD is the divergence of (target, everything else), NCKD that among the classes that are not the target. ``kd`` is
    TCKD + (1 - the teacher's probability of the target) · NCKD: what the teacher says of the wrong classes fades there
    as it becomes sure. The target of a mixed picture is its larger part.
    """
    target = (labels if labels.ndim == 1 else labels.argmax(1))[:, None]
    others = torch.ones_like(logits, dtype=torch.bool).scatter(1, target, False)

    def parted(scores: Tensor) -> tuple[Tensor, Tensor]:
        """Scores [N, 2] of the target and of the rest together, at temperature T; scores of the rest [N, C - 1]."""
        rest = (scores / recipe.temperature)[others].view(len(scores), -1)
        return torch.cat([scores.gather(1, target) / recipe.temperature, rest.logsumexp(1, keepdim=True)], 1), rest

    (student, student_rest), (teacher, teacher_rest) = parted(logits), parted(answers)
    binary, rest = divergence(student, teacher), divergence(student_rest, teacher_rest)
    return recipe.temperature**2 * (alpha * binary + beta * rest)
