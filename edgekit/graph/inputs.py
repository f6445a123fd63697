"""The sizes of a model's inputs: what it fixes itself, what the user says, and one for an open batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from edgekit.errors import ModelError, UnknownNameError, UnsupportedError
from edgekit.graph.draft import Draft
from edgekit.runtimes.runtime import Shapes

if TYPE_CHECKING:
    from onnx import ValueInfoProto


def fix_inputs(draft: Draft, shapes: Shapes) -> None:
    """Give every input a fixed size; a symbol that ``shapes`` decides is decided wherever it stands.

    Raises:
        UnknownNameError: ``shapes`` names what is no input.
        ModelError: an input leaves another size than the batch open, or ``shapes`` contradicts what it fixes.
        UnsupportedError: an input is not a tensor.
    """
    symbols: dict[str, int] = {}
    for name in shapes:
        if name not in {value.name for value in draft.inputs}:
            raise UnknownNameError("input of the model", name, (value.name for value in draft.inputs))
    for value in draft.inputs:
        if value.type.WhichOneof("value") != "tensor_type":
            raise UnsupportedError(f"Input '{value.name}' is not a tensor; export the model with tensor inputs only.")
        if value.name in shapes:
            symbols.update(_fill(value, shapes[value.name]))
    for value in draft.inputs:
        _close(value, symbols)


def _fill(value: ValueInfoProto, sizes: Sequence[int]) -> dict[str, int]:
    """Write the user's sizes into an input; return the symbols that they decide."""
    tensor = value.type.tensor_type
    given = "x".join(map(str, sizes))
    if any(size < 1 for size in sizes):
        raise ModelError(f"The shape {given} for input '{value.name}' has a size below 1; give positive sizes.")
    if not tensor.HasField("shape"):
        for size in sizes:
            tensor.shape.dim.add(dim_value=size)
        return {}
    dims = tensor.shape.dim
    own = "x".join(str(dim.dim_value) if dim.dim_value > 0 else dim.dim_param or "?" for dim in dims)
    fits = len(dims) == len(sizes) and all(
        dim.dim_value <= 0 or dim.dim_value == size for dim, size in zip(dims, sizes, strict=True)
    )
    if not fits:
        raise ModelError(
            f"Input '{value.name}' is {own}, which the given shape {given} does not fit; give one that does."
        )
    symbols = {}
    for dim, size in zip(dims, sizes, strict=True):
        if dim.dim_param:
            symbols[dim.dim_param] = size
        dim.dim_value = size
    return symbols


def _close(value: ValueInfoProto, symbols: Mapping[str, int]) -> None:
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        raise ModelError(
            f"Input '{value.name}' says nothing of its shape; give it with --shape {value.name}=1x3x224x224."
        )
    for position, dim in enumerate(tensor.shape.dim):
        if dim.HasField("dim_value") and dim.dim_value > 0:
            continue
        if dim.dim_param in symbols:
            dim.dim_value = symbols[dim.dim_param]
        elif position == 0:
            dim.dim_value = 1
        else:
            example = "x".join(str(size.dim_value) if size.dim_value > 0 else "?" for size in tensor.shape.dim)
            raise ModelError(
                f"Input '{value.name}' leaves dimension {position} open; say its size with --shape "
                f"{value.name}={example} (numbers in place of ?), or export the model with a fixed input size."
            )
