"""What every runtime gives: an opened model that turns input tensors into output tensors."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Protocol

from edgekit.artifact import Array, TensorSpec
from edgekit.errors import ModelError

MAX_REASON = 160


class Session(Protocol):
    """An opened model. Runs the caller's thread; one call at a time."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def run(self, tensors: Sequence[Array]) -> list[Array]:
        """One inference: arrays of the inputs' shapes and dtypes to fresh arrays of the outputs'."""


def first_line(exc: BaseException) -> str:
    """The beginning of a native runtime's complaint, as a part of a sentence of ours."""
    text = str(exc).strip() or type(exc).__name__
    return textwrap.shorten(text.splitlines()[0], MAX_REASON, placeholder=" ...").rstrip(". ")


def cannot_open(source: str, runtime: str, exc: BaseException) -> Exception:
    """The error for a model that ``runtime`` refuses: MemoryError if that is what its complaint is about."""
    reason = first_line(exc)
    if isinstance(exc, MemoryError) or any(
        word in reason for word in ("bad_alloc", "bad allocation", "allocate memory")
    ):
        return MemoryError(reason)
    return ModelError(f"{source} is not a model that {runtime} runs ({reason}); check or export it again.")
