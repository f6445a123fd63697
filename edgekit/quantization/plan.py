"""The plan of a quantization: how each value of a prepared float model is stored. The rungs of the ladder refine it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import UsageError
from edgekit.operators.weight_scheme import EIGHT_BITS, WeightScheme
from edgekit.scales import WEIGHT_BITS, Array, Quantization, Reals, raised_for_bias

if TYPE_CHECKING:
    from onnx import NodeProto


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
            the nearest by the scales of ``scheme``.
        floats: first outputs of the operators that compute in float.
        scheme: how weights are stored; what fewer than 8 bits mean in a file is the file's.
    """

    affines: Mapping[str, Quantization]
    weights: Mapping[str, QuantizedWeights] = field(default_factory=dict)
    floats: frozenset[str] = frozenset()
    scheme: WeightScheme = EIGHT_BITS

    def with_weights(self, weights: Mapping[str, QuantizedWeights]) -> Plan:
        """The plan with the stored weights of some operators decided."""
        return replace(self, weights={**self.weights, **weights})

    def with_floats(self, floats: Iterable[str]) -> Plan:
        """The plan with more operators in float."""
        return replace(self, floats=self.floats | frozenset(floats))

    def with_wide_weights(self) -> Plan:
        """The plan with weights of 8 bits."""
        wide = replace(self.scheme, weight_bits=WEIGHT_BITS)
        return self if wide == self.scheme else replace(self, scheme=wide, weights={})

    def weights_of(self, node: NodeProto, constants: Mapping[str, Array]) -> QuantizedWeights:
        """The weights of an operator as they are stored: those that were decided, or the nearest to the model's.

        A scale is raised where the bias would not fit into its int32 otherwise.

        Args:
            node: an operator with weights.
            constants: those of the float model, by name.
        """
        weights, decided = constants[node.input[1]], self.weights.get(node.output[0])
        own = decided.quantization if decided else self.scheme.quantization(node.op_type, weights)
        raised = own
        if len(node.input) > 2 and node.input[2]:
            raised = raised_for_bias(own, constants[node.input[2]], self.affines[node.input[0]])
        if decided and raised == own:
            return decided
        most = self.scheme.most(node.op_type)
        return QuantizedWeights(raised.quantize(decided.real if decided else weights, most), raised)
