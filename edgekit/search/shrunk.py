"""The teacher with channels taken out, as a point of the same space: it begins with what is left of what it knew."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from edgekit.data.dataset import Dataset
from edgekit.data.intake import require_pictures
from edgekit.errors import ModelError, UsageError
from edgekit.inputs.contract import InputContract
from edgekit.inputs.contracts import Contract
from edgekit.operators.weight_scheme import WeightScheme
from edgekit.runtimes.refusal import first_line
from edgekit.training.shrinking.shrink import cut_teacher
from edgekit.training.teacher import Teacher

if TYPE_CHECKING:
    from torch import nn

SHRUNK = "shrunk"


@dataclass(frozen=True)
class ShrunkTeacher:
    """A teacher that has a network of torch, cut to ``to`` bytes of int8; ``data`` opens images for a contract.

    ``weights`` says how the file stores them.
    """

    teacher: Teacher
    data: Callable[[Contract], Dataset]
    to: int
    seed: int
    weights: WeightScheme
    _made: dict[Contract, nn.Module] = field(default_factory=dict)

    def contract(self, student: Contract) -> InputContract:
        """How it takes pictures of the size that a student takes."""
        size = require_pictures(student, "The student")
        own = require_pictures(self.teacher.contract, self.teacher.name)
        return replace(own, height=size.height, width=size.width)

    def network(self, contract: Contract) -> nn.Module:
        """What is left of it.

        Raises:
            ModelError: it cannot be cut so far.
        """
        if contract not in self._made:
            try:
                data = self.data(contract)
                self._made[contract] = cut_teacher(self.teacher, contract, data, self.to, self.seed, self.weights)
            except (UsageError, ModelError) as exc:
                raise ModelError(str(exc)) from exc
            except Exception as exc:  # torch follows the user's own code
                raise ModelError(f"{self.teacher.name} cannot be cut: {first_line(exc)}.") from exc
        return copy.deepcopy(self._made[contract])
