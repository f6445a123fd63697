"""What models answer: one file for each kind of answer, chosen by the shapes of a model's outputs.

A further kind is a further file here, with a ``TASK`` that says which outputs it fits.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from edgekit.tasks.outputs import Outputs


def task_of(shapes: Sequence[tuple[int, ...]]) -> Outputs:
    """The task of a model with outputs of these shapes (-1 where open); plain Outputs where no other fits."""
    return next((task for task in _special_tasks() if task.fits(shapes)), Outputs())


@cache
def _special_tasks() -> tuple[Outputs, ...]:
    modules = (import_module(f"{__name__}.{item.name}") for item in iter_modules(__path__))
    return tuple(module.TASK for module in modules if hasattr(module, "TASK"))
