"""What a model takes of a data source: how the rows of a split become the real values of its inputs.

Where a contract says it, the data hold pictures or texts; any other inputs are in the data as they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgekit.artifact import TensorSpec
from edgekit.errors import DataError, UsageError
from edgekit.inputs.contract import InputContract
from edgekit.inputs.contracts import Contract
from edgekit.inputs.text import TextContract
from edgekit.runtimes.runtime import sizes_text

Array = NDArray[Any]
Feed = tuple[Array, ...]
"""One array for each input, in the model's order."""
OPEN_OR_ONE = (-1, 1)
LAST_TO_FIRST, FIRST_TO_LAST = (0, 3, 1, 2), (0, 2, 3, 1)


class Intake(Protocol):
    """How samples become a model's inputs."""

    @property
    def contract(self) -> Contract | None:
        """How rows become the input; None if the data hold it as it is."""

    @property
    def size(self) -> int:
        """Places of a sample: pixels of a picture, values of all else."""

    def real(self, rows: Any) -> Feed:
        """Samples as real values, float32 or integers: each input [n, ...] for n rows of a split."""

    def feed(self, row: Any) -> Feed:
        """The only sample in ``row``, as the model's inputs have it."""


@dataclass(frozen=True)
class Pictures:
    """One image, by its contract; ``layout`` is ``NCHW`` or ``NHWC``."""

    contract: InputContract
    layout: str = "NCHW"

    @property
    def size(self) -> int:
        """Pixels."""
        return self.contract.height * self.contract.width

    def real(self, rows: NDArray[np.uint8]) -> Feed:
        """uint8 [n, H, W, C] to float32 in the layout."""
        if self.layout == "NHWC":
            return (self.contract.real(rows),)
        # numpy goes through memory in its order: planes of channels are much faster than pixels of three values.
        planes = np.ascontiguousarray(rows.transpose(LAST_TO_FIRST))
        real = self.contract.real(planes.transpose(FIRST_TO_LAST))
        return (np.ascontiguousarray(real.transpose(LAST_TO_FIRST)),)

    def feed(self, row: NDArray[np.uint8]) -> Feed:
        """float32 [1, C, H, W] or [1, H, W, C]."""
        return self.real(row)


@dataclass(frozen=True)
class Texts:
    """One text, by its contract."""

    contract: TextContract
    layout: str = ""

    @property
    def size(self) -> int:
        """Ids."""
        return self.contract.length

    def real(self, rows: Sequence[str]) -> Feed:
        """Texts [n] to int32 [n, length]."""
        return (self.contract.real(rows),)

    def feed(self, row: Sequence[str]) -> Feed:
        """int32 [1, length]."""
        return self.real(row)


@dataclass(frozen=True)
class Tensors:
    """Inputs of any number, rank and type, which the data hold by name."""

    inputs: tuple[TensorSpec, ...]
    contract: None = None

    @property
    def size(self) -> int:
        """Values of all inputs together; a size that is open counts once."""
        return sum(math.prod(max(size, 1) for size in spec.shape) for spec in self.inputs)

    def real(self, rows: Mapping[str, Array]) -> Feed:
        """Arrays by name, each [n, ...], as this model's inputs.

        They are those of the same names, or in the same order where another file calls its inputs otherwise.

        Raises:
            DataError: they fit in no order of axes.
        """
        own = [spec.name for spec in self.inputs]
        names = own if set(own) <= set(rows) else list(rows)
        if len(names) != len(own):
            raise DataError(
                f"The data hold {_listed(rows)} and the model takes {_listed(own)}; name an array for each."
            )
        return tuple(as_input(rows[name], spec, name) for name, spec in zip(names, self.inputs, strict=True))

    def feed(self, row: Mapping[str, Array]) -> Feed:
        """Each input with its own axes."""
        return tuple(as_run(array, spec, 0) for array, spec in zip(self.real(row), self.inputs, strict=True))


def require_pictures(contract: Contract | None, what: str) -> InputContract:
    """The contract of ``what``, if it is one of pictures.

    Raises:
        UsageError: it is not.
    """
    if not isinstance(contract, InputContract):
        taken = contract.INPUT if contract else "arrays"
        raise UsageError(f"{what} takes {taken}, and this is for pictures alone.")
    return contract


def as_input(array: Array, spec: TensorSpec, name: str) -> Array:
    """Samples [n, ...] as an input takes them: [n, ...] of its sizes, and of its type, float32 for any float.

    Sizes of 1 may be left out, and channels may be last in one and first in the other.

    Raises:
        DataError: shape or type do not fit; ``name`` is what the data call it.
    """
    kinds = "fiub" if is_real(spec) else "iub"
    if array.dtype.kind not in kinds:
        held = kind_of(array)
        raise DataError(f"'{name}' holds {held} and the input '{spec.name}' takes {spec.dtype}; convert the array.")
    found = shaped(array, sample_shape(spec))
    if found is None:
        wanted, given = sizes_text(sample_shape(spec)), sizes_text(array.shape[1:])
        raise DataError(
            f"'{name}' holds samples of {given or 'a number'}, and the input '{spec.name}' takes "
            f"{wanted or 'a number'}; the first axis of an array counts samples."
        )
    return np.ascontiguousarray(found, np.float32 if is_real(spec) else np.dtype(spec.dtype))


def kind_of(array: Array) -> str:
    """What an array holds, in a word for a message."""
    return {"O": "Python objects", "U": "text", "S": "text", "V": "records"}.get(array.dtype.kind, str(array.dtype))


def is_real(spec: TensorSpec) -> bool:
    """True for an input of real values, stored as floats or in 8 or 16 bits with a scale."""
    return spec.scale is not None or np.dtype(spec.dtype).kind == "f"


def sample_shape(spec: TensorSpec) -> tuple[int, ...]:
    """The shape of an input for one sample, without its batch of 1."""
    return spec.shape[1:] if spec.shape[:1] and spec.shape[0] in OPEN_OR_ONE else spec.shape


def as_run(array: Array, spec: TensorSpec, index: int) -> Array:
    """One of the samples [n, ...] of ``as_input`` with the input's own axes."""
    return array[index : index + 1] if array.ndim == len(spec.shape) else array[index]


def fits(shape: Sequence[int], wanted: Sequence[int]) -> bool:
    """True if two shapes may be the same; -1 is open."""
    return len(shape) == len(wanted) and all(
        size == want or -1 in (size, want) for size, want in zip(shape, wanted, strict=True)
    )


def shaped(array: Array, wanted: tuple[int, ...]) -> Array | None:
    """[n, ...] as [n, *wanted], or None."""
    own = array.shape[1:]
    if fits(own, wanted):
        return array
    if array.ndim == len(LAST_TO_FIRST):
        for moved in map(array.transpose, (LAST_TO_FIRST, FIRST_TO_LAST)):
            if fits(moved.shape[1:], wanted):
                return moved
    sizes = tuple(size for size in own if size != 1)
    if fits(sizes, tuple(size for size in wanted if size != 1)):
        filled = iter(sizes)
        return array.reshape(len(array), *(1 if size == 1 else next(filled) for size in wanted))
    return None


def _listed(names: Any) -> str:
    return ", ".join(f"'{name}'" for name in names) or "nothing"
