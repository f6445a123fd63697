"""How far the scores of a student are from those of its teacher."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def divergence(logits: Tensor, answers: Tensor, temperature: float = 1.0) -> Tensor:
    """``T² · KL(softmax(answers / T) ‖ softmax(logits / T))``, mean over the rows of [N, classes].

    T² keeps the gradient's size independent of the temperature (Hinton, Vinyals, Dean 2015).
    """
    from torch.nn import functional as F

    student, teacher = (F.log_softmax(scores / temperature, dim=1) for scores in (logits, answers))
    return F.kl_div(student, teacher, log_target=True, reduction="batchmean") * temperature**2
