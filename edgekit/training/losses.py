"""Losses as pure functions of logits."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def hard_loss(logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
    """Cross-entropy of logits [N, classes] against integer labels [N]: a scalar."""
    return F.cross_entropy(logits, labels, label_smoothing=smoothing)


def distillation_loss(logits: Tensor, answers: Tensor, temperature: float) -> Tensor:
    """``T² · KL(softmax(answers / T) ‖ softmax(logits / T))``, mean over the batch (Hinton et al. 2015).

    T² keeps the gradient's size independent of the temperature.
    """
    student = F.log_softmax(logits / temperature, dim=1)
    teacher = F.log_softmax(answers / temperature, dim=1)
    return F.kl_div(student, teacher, log_target=True, reduction="batchmean") * temperature**2
