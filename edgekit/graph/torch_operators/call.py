"""One operator at work: what it reads, what it was told, and how it says that it cannot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from edgekit.errors import UnsupportedError


@dataclass(frozen=True)
class Call:
    """The inputs of one node as tensors (None where an optional one is absent) and its attributes.

    ``batch`` is the number of samples that go through the module at once.
    """

    name: str
    op_type: str
    attributes: Mapping[str, Any]
    inputs: tuple[Tensor | None, ...]
    outputs: int = 1
    batch: int = 1

    @property
    def x(self) -> Tensor:
        """The first input."""
        return self.input(0)

    def input(self, position: int) -> Tensor:
        """An input that the operator cannot do without.

        Raises:
            UnsupportedError: the node lacks it.
        """
        value = self.optional(position)
        if value is None:
            raise self.unsupported(f"input {position} is missing")
        return value

    def all(self) -> list[Tensor]:
        """All inputs, of which none may be absent."""
        return [self.input(position) for position in range(len(self.inputs))]

    def optional(self, position: int) -> Tensor | None:
        """An input, or None where the node has none at that position."""
        return self.inputs[position] if position < len(self.inputs) else None

    def get(self, attribute: str, default: Any) -> Any:
        """An attribute, or ``default`` where it is not given."""
        return self.attributes.get(attribute, default)

    def numbers(self, attribute: str, position: int) -> list[int] | None:
        """Integers that older operator sets keep in an attribute and newer ones in a constant input, or None."""
        value = self.optional(position)
        if value is not None:
            return [int(number) for number in value.reshape(-1).tolist()]
        given = self.attributes.get(attribute)
        return None if given is None else [int(number) for number in (given if isinstance(given, list) else [given])]

    def unsupported(self, reason: str) -> UnsupportedError:
        """The error to raise for what this operator cannot do."""
        return UnsupportedError(
            f"Node '{self.name}' ({self.op_type}) cannot be trained here: {reason}; quantize without fine-tuning, or "
            "export the model without it."
        )


Operator = Callable[[Call], Tensor | tuple[Tensor, ...]]
"""Computes a node's outputs as ONNX's operator specification says, differentiably where it is differentiable."""
