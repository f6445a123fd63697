"""What models answer: one file for each kind of answer, chosen by the shapes of a model, its labels, or the user.

A further kind is a further file here, with a ``TASK`` that says which outputs it fits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from edgekit.errors import UnknownNameError, UsageError
from edgekit.tasks.outputs import Outputs


def task_of(shapes: Sequence[tuple[int, ...]], inputs: Sequence[tuple[int, ...]] = (), name: str = "") -> Outputs:
    """The task of a model with outputs of these shapes (-1 where open); plain Outputs where no other fits.

    Args:
        shapes: of the outputs.
        inputs: the shapes of the inputs.
        name: of a task that the user has named.

    Raises:
        UnknownNameError: no task is called so.
        UsageError: the model cannot be judged by the named one.
    """
    known = _special_tasks()
    if name and name not in known:
        raise UnknownNameError("task", name, known)
    if name and not known[name].allows(shapes, inputs):
        taken, given = (" and ".join(str(list(shape)) for shape in ends) for ends in (inputs, shapes))
        raise UsageError(f"--task {name} does not fit a model of {taken} that gives {given}; leave it out.")
    return known[name] if name else next((task for task in known.values() if task.fits(shapes, inputs)), Outputs())


def judged_by(task: Outputs, labels: Any, name: str = "") -> Outputs:
    """The task that labels judge: numbers that number no classes make scores a regression, unless one is named."""
    is_real = labels is not None and labels.dtype.kind == "f"
    return _special_tasks()["regression"] if is_real and not name and task.metric == Outputs.metric else task


@cache
def _special_tasks() -> Mapping[str, Outputs]:
    modules = {item.name: import_module(f"{__name__}.{item.name}") for item in iter_modules(__path__)}
    return {name: module.TASK for name, module in modules.items() if hasattr(module, "TASK")}
