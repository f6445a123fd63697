"""A golden example: an input that a number says how to make, and what a model answered where its file was written.

By it a device can tell by itself whether it answers alike. The input is noise, the same bits in every language: byte i
is the highest of MurmurHash3's finalizer (Appleby 2011, 32 bits) of i + 2²⁴ · seed. An int8 tensor takes byte - 128, a
float one byte / 255. Ids of a text are eight bytes again and again, as those of one word are: the mean of many rows of
a table tells little. Where a model has several inputs, their bytes follow each other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .error import InputError

Array = NDArray[Any]
MOST_VALUES = 16
DTYPES = ("float32", "int8", "uint8", "int32", "int64")
EIGHT_BITS = 255
WORD = 8
"""Ids that come again and again."""


@dataclass(frozen=True)
class Golden:
    """What the first output of a model is for the input of ``seed``.

    Attributes:
        seed: makes the input.
        output: values as they are stored.
        limit: how far a value may be off where nothing is wrong.
        places: where they are in the flat output; empty if it is all of them.
    """

    seed: int
    output: tuple[float, ...]
    limit: float
    places: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        numbers = (*self.output, self.limit)
        fits = len(self.places) in (0, len(self.output)) and 0 < len(self.output) <= MOST_VALUES
        whole = all(isinstance(value, int) and 0 <= value < 2**31 for value in (self.seed, *self.places))
        if not (fits and whole and all(map(math.isfinite, numbers)) and self.seed < 2**8):
            raise InputError("its golden example has impossible values")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Golden:
        """Read what ``to_dict`` made, also after JSON.

        Raises:
            InputError, KeyError, TypeError, ValueError: it is none.
        """
        return cls(values["seed"], tuple(values["output"]), values["limit"], tuple(values.get("places", ())))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, without what is empty."""
        return {key: value for key, value in asdict(self).items() if key != "places" or value}

    def complaint(self, output: Array) -> str:
        """How an output differs, as a part of a sentence; empty if it does not."""
        flat = output.reshape(-1).astype(np.float64)
        if flat.size <= max(self.places, default=-1):
            return f"it has {flat.size} values"
        chosen = flat[list(self.places)] if self.places else flat
        if chosen.size != len(self.output):
            return f"it has {flat.size} values instead of {len(self.output)}"
        off = float(np.abs(chosen - np.array(self.output)).max())
        return "" if off <= self.limit else f"a value is off by {off:.4g}, where rounding explains {self.limit:g}"


def can_make(inputs: Sequence[Any]) -> bool:
    """True if inputs of these shapes and dtypes can be made; only the first size may be open."""
    return all(spec.dtype in DTYPES and -1 not in spec.shape[1:] for spec in inputs)


def make_inputs(inputs: Sequence[Any], seed: int) -> list[Array]:
    """A tensor for each input; each has ``shape`` and ``dtype``, as ``edgekit.artifact.TensorSpec`` has."""
    tensors, start = [], 0
    for spec in inputs:
        shape = [max(1, size) for size in spec.shape]
        count = int(np.prod(shape))
        tensors.append(_as_type(_noise(seed, start, count), spec.dtype).reshape(shape))
        start += count
    return tensors


def _noise(seed: int, start: int, count: int) -> NDArray[np.uint8]:
    mixed = np.arange(start, start + count, dtype=np.uint32)
    mixed += np.uint32(seed << 24)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        mixed ^= mixed >> np.uint32(shift)
        mixed *= np.uint32(factor)
    mixed ^= mixed >> np.uint32(16)
    return (mixed >> np.uint32(24)).astype(np.uint8)


def _as_type(noise: NDArray[np.uint8], dtype: str) -> Array:
    if dtype == "float32":
        return noise.astype(np.float32) / np.float32(EIGHT_BITS)
    if dtype in ("int32", "int64"):
        return np.resize(noise[:WORD], noise.shape).astype(dtype)
    return (noise ^ np.uint8(128)).view(np.int8) if dtype == "int8" else noise
