"""Which runtime opens a model file, and which Python has it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from edgekit.errors import ModelError, UnknownNameError, UsageError
from edgekit.runtimes import RUNTIMES
from edgekit.runtimes.runtime import Runtime

USUAL = ("ort", "litert")
RUNTIME = f"One of {', '.join(RUNTIMES)}."
BY_ENDING = "by the file's ending"


def find_runtime(name: str) -> Runtime:
    """The runtime called ``name``, installed or not.

    Raises:
        UnknownNameError: there is none of that name.
    """
    if name not in RUNTIMES:
        raise UnknownNameError("runtime", name, RUNTIMES)
    return RUNTIMES[name]


def default_runtime(path: Path) -> str:
    """The name of the runtime that opens a file of this kind: ``ort`` or ``litert``.

    Raises:
        ModelError: it is neither .onnx nor .tflite.
    """
    for name in USUAL:
        if path.suffix.lower() == RUNTIMES[name].suffix:
            return name
    raise ModelError(f"{path} is neither an .onnx nor a .tflite file; give one of these.")


def require_runtime(name: str) -> Runtime:
    """The runtime called ``name``.

    Raises:
        UnknownNameError: there is none of that name.
        UsageError: its package is not installed.
    """
    runtime = find_runtime(name)
    if not runtime.version():
        elsewhere = f" or name a Python that has it in {runtime.python_variable}" if runtime.python_variable else ""
        raise UsageError(f"The runtime {name} is not installed; install {runtime.package}{elsewhere}.")
    return runtime


def runtime_python(name: str) -> str:
    """The Python that has the runtime of this name: ours, or the one that its environment variable names."""
    variable = find_runtime(name).python_variable
    named = os.environ.get(variable, "")
    if named and not Path(named).is_file():
        raise UsageError(f"{variable} is {named}, which is not a file; name a Python interpreter.")
    return named or sys.executable
