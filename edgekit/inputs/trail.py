"""Where a .tflite model goes astray on a device: what each of its operators gives for its golden input.

In the FlatBuffer the graph points at the list of its outputs, and each operator at the list of its own. With the first
pointer turned to an operator's list, any runtime gives what that operator makes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .golden import make_inputs

Array = NDArray[Any]

VALUES = 8
"""Of an operator's output, evenly spread."""
STEPS = 4
"""More than kernels that round differently are apart in the mean, also at the end of a deep network."""
POINTER_BYTES = 4


def turned(model: bytes, pointer: int, distance: int) -> bytes:
    """The model with the pointer at byte ``pointer`` showing so many bytes on."""
    return model[:pointer] + distance.to_bytes(POINTER_BYTES, "little") + model[pointer + POINTER_BYTES :]


def sampled(output: Array) -> list[int]:
    """What is kept of an operator's output."""
    flat = output.reshape(-1)
    count = min(VALUES, flat.size)
    return [int(flat[index * flat.size // count]) for index in range(count)]


def first_astray(model: bytes, trail: Mapping[str, Any], open: Callable[[bytes], Any]) -> str:
    """The first operator of a trail that gives something else here; empty if none does.

    Args:
        model: the .tflite file.
        trail: ``{"seed", "pointer", "operators": [{"name", "distance", "values"}]}``.
        open: opens a model; what it returns has ``inputs``, and ``run`` of a tensor for each.
    """
    for operator in trail["operators"]:
        session = open(turned(model, trail["pointer"], operator["distance"]))
        here = sampled(session.run(make_inputs(session.inputs, trail["seed"]))[0])
        expected = operator["values"]
        if len(here) != len(expected) or np.abs(np.subtract(here, expected)).mean() > STEPS:
            return str(operator["name"])
    return ""
