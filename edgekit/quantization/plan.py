"""The plan of a quantization: how each value of a prepared float model is stored. The rungs of the ladder refine it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import UsageError
from edgekit.scales import WEIGHT_BITS, Quantization, Reals, weight_max


@dataclass(frozen=True)
class QuantizedWeights:
    """The stored weights of one operator, int8 in ONNX's order."""

    stored: NDArray[np.int8]
    quantization: Quantization

    def __post_init__(self) -> None:
        axis, given = self.quantization.axis, len(self.quantization.scales)
        expected = 1 if axis is None else self.stored.shape[axis]
        if self.stored.dtype != np.int8 or given != expected:
            raise UsageError(f"Stored weights are int8 with {expected} scales, not {self.stored.dtype} with {given}.")

    @property
    def real(self) -> Reals:
        """The weights that the stored ones stand for."""
        return self.quantization.dequantize(self.stored)


@dataclass(frozen=True)
class Plan:
    """How each value is stored.

    Attributes:
        affines: scale and zero point of each stored activation tensor, by name.
        weights: by the name of the operator's first output, where a rung decided on them; all others are rounded to
            the nearest by the scales of ``weight_quantization``.
        floats: first outputs of the operators that compute in float.
        weight_bits: 8, or fewer for a coarser grid that is still stored as int8.
        per_tensor: weights have one scale for the whole tensor, whatever the operator's rule says.
    """

    affines: Mapping[str, Quantization]
    weights: Mapping[str, QuantizedWeights] = field(default_factory=dict)
    floats: frozenset[str] = frozenset()
    weight_bits: int = WEIGHT_BITS
    per_tensor: bool = False

    def __post_init__(self) -> None:
        weight_max(self.weight_bits)

    def with_weights(self, weights: Mapping[str, QuantizedWeights]) -> Plan:
        """The plan with the stored weights of some operators decided."""
        return replace(self, weights={**self.weights, **weights})

    def with_floats(self, floats: Iterable[str]) -> Plan:
        """The plan with more operators in float."""
        return replace(self, floats=self.floats | frozenset(floats))
