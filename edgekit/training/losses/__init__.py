"""Losses, one file each, found by name: what a step of training makes smaller.

Each file has a function ``loss(logits, labels, answers, recipe)``; one of the user's own may be passed in its place.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.errors import UnknownNameError
from edgekit.recipe import TrainRecipe

if TYPE_CHECKING:
    from torch import Tensor

Loss = Callable[["Tensor", "Tensor", "Tensor | None", TrainRecipe], "Tensor"]
"""(logits float32 [N, classes], labels int64 [N], the teacher's answers float32 [N, classes] or None where labels alone
are learned, the recipe) -> a scalar with a gradient"""


def losses() -> tuple[str, ...]:
    """The names of all losses, sorted."""
    return tuple(sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py")))


def find_loss(name: str) -> Loss:
    """The loss in the file of that name.

    Raises:
        UnknownNameError: there is none.
    """
    if name not in losses():
        raise UnknownNameError("loss", name, losses())
    found: Loss = importlib.import_module(f"{__name__}.{name}").loss
    return found
