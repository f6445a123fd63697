"""Features of a teacher as hints for a student: what both see before their heads, through a linear map that learns too.

The map turns the student's features into as many as the teacher has (the regressor of FitNets, Romero et al. 2015). It
is trained with the student, lies in the checkpoint, and is left behind in the end. What has features is a torch network
whose last layer is a Linear called ``head``, as the zoo's are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgekit.errors import UsageError
from edgekit.files import sha256_bytes
from edgekit.training.answers.ensemble import Ensemble
from edgekit.training.teacher import Logits, Teacher


class Hinted(nn.Module):
    """A ``student`` of inputs like ``example`` whose features, mapped to ``wanted``, follow its logits while it learns.

    Raises:
        UsageError: it has no features, or none that learn.
    """

    def __init__(self, student: nn.Module, example: Tensor, wanted: int) -> None:
        super().__init__()
        self.student = student.eval()
        with _noticed(_head(student)) as seen:
            student(example)
        if not seen or not seen[0].requires_grad:
            raise UsageError(
                "No layer of the student comes before its head, so no hint helps; leave hint out of --loss."
            )
        self.map = nn.Linear(seen[0].shape[1], wanted, bias=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits [N, classes] of real inputs [N, C, H, W]; in training [N, classes + wanted]."""
        with _noticed(_head(self.student)) as seen:
            logits: Tensor = self.student(inputs)
        return torch.cat([logits, self.map(seen[0])], 1) if self.training else logits


def with_features(ensemble: Ensemble) -> Ensemble:
    """A teacher whose features, as many as its head reads, follow the logits in its answers.

    Raises:
        UsageError: it has none, or there are several teachers.
    """
    if len(ensemble.members) > 1:
        raise UsageError("A hint is of one teacher's features; name one --teacher, or leave hint out of --loss.")
    (member,) = ensemble.members
    return replace(ensemble, members=(replace(member, teacher=_with_features(member.teacher)),))


def _with_features(teacher: Teacher) -> Teacher:
    head = _head(teacher.network, f"The teacher {teacher.name}")

    def forward(inputs: NDArray[np.float32]) -> Logits:
        with _noticed(head) as seen:
            logits = teacher.forward(inputs)
        # A head that is asked more than once, as for a mirror image too, answers with the mean.
        features = torch.stack(seen).float().mean(0)
        return np.concatenate([logits, features.numpy()], 1)

    # These are other answers than the teacher's logits alone.
    named = sha256_bytes(f"{teacher.sha256} with features".encode())
    return replace(teacher, sha256=named, forward=forward, features=head.in_features)


def _head(network: nn.Module | None, name: str = "The student") -> nn.Linear:
    head = getattr(network, "head", None)
    if not isinstance(head, nn.Linear):
        raise UsageError(
            f"{name} has no features to compare, which torch networks have that end in a Linear called head, as the "
            "zoo's do; leave hint out of --loss."
        )
    return head


@contextmanager
def _noticed(head: nn.Module) -> Iterator[list[Tensor]]:
    """The features [N, D] that a head is given meanwhile, each time that it is asked."""
    seen: list[Tensor] = []
    hook = head.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    try:
        yield seen
    finally:
        hook.remove()
