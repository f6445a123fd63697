"""The exceptions that a user may meet, one exit status each.

    EdgekitError                 1   anything that is the input's fault, not a bug
    ├── UsageError               2   an unknown option, name or key; a missing argument
    │   └── UnknownNameError     2   ... with the nearest valid name
    ├── DataError                1   a data source is missing, broken or of the wrong shape
    ├── ModelError               1   a model file is missing, broken or of the wrong kind
    │   └── UnsupportedError     1   ... or holds an operator that the target form does not have
    ├── RuntimeCrashError        1   a native runtime crashed, hung or ran out of memory on a file
    ├── DeviceError              1   a device cannot be reached, or what it needs is missing there
    ├── TrainingError            1   training diverged or cannot go on
    ├── StorageError             1   the disk is full, a folder cannot be written
    └── GateError                3   a gate (``--max-drop``, ``--budget``) was not met

Every message is one sentence that names the file or the option, followed by what to do about it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from edgekit.inputs.error import InputError, nearest


class EdgekitError(Exception):
    """Base of every error whose cause is outside EdgeKit's own code."""

    exit_status = 1


class UsageError(EdgekitError):
    """The command was called with something that it does not know."""

    exit_status = 2


class UnknownNameError(UsageError):
    """A name that is not in the list it should be in; says the nearest one."""

    def __init__(self, what: str, name: str, choices: Iterable[str]) -> None:
        super().__init__(f"No {what} is called '{name}'; {nearest(name, sorted(choices))}")


class DataError(EdgekitError):
    """A data source cannot be used."""


class ModelError(EdgekitError):
    """A model file cannot be used."""


class UnsupportedError(ModelError):
    """A model holds an operator or a parameter that the target form does not have."""


class RuntimeCrashError(EdgekitError):
    """A native runtime crashed, hung or ran out of memory while it had a file open."""


class DeviceError(EdgekitError):
    """A device cannot be reached, the connection to it was lost, or it lacks what it needs."""


class TrainingError(EdgekitError):
    """Training cannot go on; the last good checkpoint is kept."""


class StorageError(EdgekitError):
    """A result cannot be stored."""


class GateError(EdgekitError):
    """A result was measured and does not meet the gate that the user set."""

    exit_status = 3


@contextmanager
def naming(source: object) -> Iterator[None]:
    """What is raised of a model or of data inside, with the file that it comes from in front of the message."""
    try:
        yield
    except (ModelError, DataError) as exc:
        raise type(exc)(f"{source}: {exc}") from exc


@contextmanager
def input_errors(error: type[EdgekitError], prefix: str = "") -> Iterator[None]:
    """What ``edgekit.inputs`` raises inside, as an ``error`` whose message begins with ``prefix``."""
    try:
        yield
    except InputError as exc:
        raise error(f"{prefix}{exc}") from exc
