from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from edgekit.errors import UnknownNameError, UsageError
from edgekit.recipe import TrainRecipe
from edgekit.tasks.divergence import divergence
from edgekit.training.losses import find_loss, losses

RECIPE = TrainRecipe(temperature=4.0)
LABELS = torch.tensor([0, 2, 1, 1, 9, 4])
OF_A_TEACHER = ("kd", "dkd", "dist", "standardized(kd)", "standardized(dkd)", "kd + 0.5*dist")

logits = st.integers(0, 2**31).map(lambda seed: torch.randn(6, 10, generator=torch.Generator().manual_seed(seed)) * 3)
temperatures = st.floats(2, 20)


def some(seed: int, rows: int = 6, classes: int = 10) -> torch.Tensor:
    return torch.randn(rows, classes, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("text", OF_A_TEACHER)
@given(answers=logits, temperature=temperatures)
@settings(max_examples=15, deadline=None)
def test_a_student_that_answers_like_its_teacher_has_no_loss(
    text: str, answers: torch.Tensor, temperature: float
) -> None:
    recipe = TrainRecipe(temperature=temperature)
    size = temperature**2
    assert abs(find_loss(text)(answers, LABELS, answers, recipe).item()) < 1e-5 * max(1.0, size)


@pytest.mark.parametrize("text", OF_A_TEACHER)
def test_a_step_against_the_gradient_brings_the_student_nearer(text: str) -> None:
    student, teacher, loss = some(0).requires_grad_(), 3 * some(1), find_loss(text)
    before = loss(student, LABELS, teacher, RECIPE)
    (gradient,) = torch.autograd.grad(before, student)
    assert gradient.isfinite().all()
    assert loss(student - 1e-2 * gradient, LABELS, teacher, RECIPE) < before


@pytest.mark.parametrize("text", OF_A_TEACHER)
@given(student=logits, teacher=logits)
@settings(max_examples=15, deadline=None)
def test_logits_have_no_origin(text: str, student: torch.Tensor, teacher: torch.Tensor) -> None:
    loss = find_loss(text)
    moved = loss(student + 5, LABELS, teacher - 3, RECIPE)
    torch.testing.assert_close(moved, loss(student, LABELS, teacher, RECIPE), rtol=1e-3, atol=1e-3)


@given(logits, logits, temperatures)
@settings(max_examples=30, deadline=None)
def test_kd_is_hintons_divergence_times_the_squared_temperature(
    student: torch.Tensor, teacher: torch.Tensor, temperature: float
) -> None:
    p, q = F.softmax(teacher / temperature, 1), F.softmax(student / temperature, 1)
    expected = temperature**2 * (p * (p.log() - q.log())).sum(1).mean()
    found = find_loss("kd")(student, LABELS, teacher, TrainRecipe(temperature=temperature))
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


@given(logits, logits, temperatures)
@settings(max_examples=30, deadline=None)
def test_kd_is_the_targets_part_and_what_the_teachers_doubt_leaves_of_the_rest(
    student: torch.Tensor, teacher: torch.Tensor, temperature: float
) -> None:
    """Equation 7 of Zhao et al. 2022, row by row, since the doubt is the row's."""
    recipe = TrainRecipe(temperature=temperature)
    target, rest, kd = find_loss("dkd(alpha=1, beta=0)"), find_loss("dkd(alpha=0, beta=1)"), find_loss("kd")
    for row in range(len(student)):
        part = (student[row : row + 1], LABELS[row : row + 1], teacher[row : row + 1], recipe)
        doubt = 1 - F.softmax(part[2] / temperature, 1)[0, LABELS[row]]
        torch.testing.assert_close(target(*part) + doubt * rest(*part), kd(*part), rtol=1e-3, atol=1e-3)


@given(logits, logits, st.floats(0.1, 10))
@settings(max_examples=30, deadline=None)
def test_standardized_losses_do_not_hear_how_large_logits_are(
    student: torch.Tensor, teacher: torch.Tensor, size: float
) -> None:
    loss = find_loss("standardized(kd)")
    louder = loss(size * student, LABELS, teacher / size, RECIPE)
    torch.testing.assert_close(louder, loss(student, LABELS, teacher, RECIPE), rtol=1e-3, atol=1e-4)


def test_standardized_is_the_divergence_of_z_scores() -> None:
    student, teacher = some(0), some(1)
    scores = [(x - x.mean(1, True)) / x.std(1, correction=0, keepdim=True) for x in (student, teacher)]
    found = find_loss("standardized(kd)")(student, LABELS, teacher, TrainRecipe(temperature=2.0))
    torch.testing.assert_close(found, divergence(*scores, 2.0))


def test_dist_is_one_less_the_correlation_of_rows_and_of_columns() -> None:
    student, teacher, recipe = some(0), some(1), TrainRecipe(temperature=1.0)
    s, t = student.softmax(1), teacher.softmax(1)
    rows = torch.stack([torch.corrcoef(torch.stack(pair))[0, 1] for pair in zip(s, t, strict=True)]).mean()
    columns = torch.stack([torch.corrcoef(torch.stack(pair))[0, 1] for pair in zip(s.T, t.T, strict=True)]).mean()
    found = find_loss("dist(beta=3, gamma=0.5)")(student, LABELS, teacher, recipe)
    torch.testing.assert_close(found, 3 * (1 - rows) + 0.5 * (1 - columns), rtol=1e-4, atol=1e-5)


def test_a_batch_without_any_variety_has_a_finite_gradient() -> None:
    for text in OF_A_TEACHER:
        student = torch.zeros(4, 3, requires_grad=True)
        value = find_loss(text)(student, torch.zeros(4, dtype=torch.int64), torch.zeros(4, 3), RECIPE)
        value.backward()
        assert value.isfinite()
        assert student.grad is not None
        assert student.grad.isfinite().all()


def test_the_loss_on_labels_is_cross_entropy_with_smoothed_labels() -> None:
    values, labels, recipe = some(0, 4, 3), torch.tensor([0, 2, 1, 1]), TrainRecipe(label_smoothing=0.1)
    expected = F.cross_entropy(values, labels, label_smoothing=0.1)
    loss = find_loss("cross_entropy")
    torch.testing.assert_close(loss(values, labels, values, recipe), expected)
    torch.testing.assert_close(loss(values, F.one_hot(labels, 3).float(), values, recipe), expected)


def test_labels_of_mixed_pictures_count_by_their_shares() -> None:
    values, loss = some(0, 1, 3), find_loss("cross_entropy")
    mixed = loss(values, torch.tensor([[0.3, 0.0, 0.7]]), values, RECIPE)
    first, last = (loss(values, torch.tensor([label]), values, RECIPE) for label in (0, 2))
    torch.testing.assert_close(mixed, 0.3 * first + 0.7 * last)


def test_a_mixed_pictures_target_is_its_larger_part() -> None:
    student, teacher, dkd = some(0, 1, 3), some(1, 1, 3), find_loss("dkd")
    mixed = dkd(student, torch.tensor([[0.3, 0.0, 0.7]]), teacher, RECIPE)
    torch.testing.assert_close(mixed, dkd(student, torch.tensor([2]), teacher, RECIPE))


def test_a_text_is_a_sum_by_weight() -> None:
    arguments = (some(0), LABELS, some(1), RECIPE)
    parts = [find_loss(name)(*arguments) for name in ("cross_entropy", "kd", "dist(gamma=0)")]
    whole = find_loss(" 0.25*cross_entropy + kd + 2*dist(gamma=0)")(*arguments)
    torch.testing.assert_close(whole, 0.25 * parts[0] + parts[1] + 2 * parts[2])


def test_without_a_teacher_the_labels_are_learned_alone() -> None:
    values = some(0)
    for text in ("cross_entropy", "kd", TrainRecipe().loss, "standardized(dkd)"):
        torch.testing.assert_close(find_loss(text)(values, LABELS, None, RECIPE), F.cross_entropy(values, LABELS))


def test_losses_are_the_files_of_their_folder() -> None:
    assert losses() == ("cross_entropy", "dist", "dkd", "hint", "kd", "standardized")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dkt", "No loss is called 'dkt'; did you mean 'dkd'"),
        ("0.5*kd + 0.5*cros_entropy", "did you mean 'cross_entropy'"),
        ("dkd(betta=2)", "No argument of the loss dkd is called 'betta'; did you mean 'beta'"),
        ("kd(beta=2)", "No argument of the loss kd is called 'beta'"),
        ("dkd(**beta)", "No argument of the loss dkd"),
        ("standardized", r"The loss standardized is made of another: write standardized\(kd\)"),
        ("kd(kd)", r"The loss kd takes no other: leave out kd\(kd\)"),
    ],
)
def test_a_name_that_is_none_gets_the_nearest(text: str, message: str) -> None:
    with pytest.raises((UnknownNameError, UsageError), match=message):
        find_loss(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "kd +", "kd - dkd", "-1*kd", "1e999*kd", "True*kd", "kd*0.5", "2*3*kd", "kd; kd", "kd.loss", "kd\0"),
        *("dkd(beta='2')", "dkd(beta=-1)", "standardized(kd, dkd)", "(" * 500 + "kd" + ")" * 500, "__import__('os')"),
    ],
)
def test_a_text_that_is_no_sum_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"write names of losses with weights|No loss is called"):
        find_loss(text)
