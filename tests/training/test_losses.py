from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from edgekit.errors import UnknownNameError
from edgekit.recipe import TrainRecipe
from edgekit.training.losses import cross_entropy, find_loss, losses
from edgekit.training.losses.hinton import divergence

logits = st.integers(0, 2**31).map(lambda seed: torch.randn(6, 10, generator=torch.Generator().manual_seed(seed)) * 3)


@given(logits, st.floats(0.5, 20))
@settings(max_examples=30, deadline=None)
def test_a_student_that_answers_like_its_teacher_has_no_loss(answers: torch.Tensor, temperature: float) -> None:
    assert abs(divergence(answers, answers, temperature).item()) < 1e-4


@given(logits, logits, st.floats(0.5, 20))
@settings(max_examples=30, deadline=None)
def test_the_loss_is_hintons_divergence_times_the_squared_temperature(
    student: torch.Tensor, teacher: torch.Tensor, temperature: float
) -> None:
    p, q = F.softmax(teacher / temperature, 1), F.softmax(student / temperature, 1)
    expected = temperature**2 * (p * (p.log() - q.log())).sum(1).mean()
    torch.testing.assert_close(divergence(student, teacher, temperature), expected, rtol=1e-3, atol=1e-4)


@given(logits, logits)
@settings(max_examples=30, deadline=None)
def test_logits_have_no_origin(student: torch.Tensor, teacher: torch.Tensor) -> None:
    moved = divergence(student + 5, teacher - 3, 4.0)
    torch.testing.assert_close(moved, divergence(student, teacher, 4.0), rtol=1e-3, atol=1e-4)


def test_the_loss_on_labels_is_cross_entropy_with_smoothed_labels() -> None:
    values, labels = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 2, 1, 1])
    targets = F.one_hot(labels, 3) * 0.9 + 0.1 / 3
    expected = -(targets * F.log_softmax(values, 1)).sum(1).mean()
    torch.testing.assert_close(cross_entropy.loss(values, labels, None, TrainRecipe(label_smoothing=0.1)), expected)


def test_hinton_mixes_both_and_learns_labels_alone_without_a_teacher() -> None:
    values, labels = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 2, 1, 1])
    recipe, hinton = TrainRecipe(mix=0.25, temperature=2.0), find_loss("hinton")
    hard, soft = F.cross_entropy(values, labels), divergence(values, values.flip(0), 2.0)
    torch.testing.assert_close(hinton(values, labels, values.flip(0), recipe), 0.75 * hard + 0.25 * soft)
    torch.testing.assert_close(hinton(values, labels, None, recipe), hard)


def test_losses_are_the_files_of_their_folder() -> None:
    assert losses() == ("cross_entropy", "hinton")
    with pytest.raises(UnknownNameError, match="No loss is called 'hintn'; did you mean 'hinton'"):
        find_loss("hintn")
