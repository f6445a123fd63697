from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from edgekit.training.losses import distillation_loss, hard_loss

logits = st.integers(0, 2**31).map(lambda seed: torch.randn(6, 10, generator=torch.Generator().manual_seed(seed)) * 3)


@given(logits, st.floats(0.5, 20))
@settings(max_examples=30, deadline=None)
def test_a_student_that_answers_like_its_teacher_has_no_loss(answers: torch.Tensor, temperature: float) -> None:
    assert abs(distillation_loss(answers, answers, temperature).item()) < 1e-4


@given(logits, logits, st.floats(0.5, 20))
@settings(max_examples=30, deadline=None)
def test_the_loss_is_hintons_divergence_times_the_squared_temperature(
    student: torch.Tensor, teacher: torch.Tensor, temperature: float
) -> None:
    p, q = F.softmax(teacher / temperature, 1), F.softmax(student / temperature, 1)
    expected = temperature**2 * (p * (p.log() - q.log())).sum(1).mean()
    torch.testing.assert_close(distillation_loss(student, teacher, temperature), expected, rtol=1e-3, atol=1e-4)


@given(logits, logits)
@settings(max_examples=30, deadline=None)
def test_logits_have_no_origin(student: torch.Tensor, teacher: torch.Tensor) -> None:
    moved = distillation_loss(student + 5, teacher - 3, 4.0)
    torch.testing.assert_close(moved, distillation_loss(student, teacher, 4.0), rtol=1e-3, atol=1e-4)


def test_the_hard_loss_is_cross_entropy_with_smoothed_labels() -> None:
    values, labels = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 2, 1, 1])
    targets = F.one_hot(labels, 3) * 0.9 + 0.1 / 3
    expected = -(targets * F.log_softmax(values, 1)).sum(1).mean()
    torch.testing.assert_close(hard_loss(values, labels, smoothing=0.1), expected)
