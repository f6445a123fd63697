"""How weights are stored in an int8 file: in how many bits, by how many scales."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.operators import row_of
from edgekit.options import Options, option
from edgekit.scales import WEIGHT_BITS, Quantization, Reals, weight_max, weight_quantization

PACKED_BITS = 4
"""Two weights of so many bits, or of fewer, share a byte."""


@dataclass(frozen=True)
class WeightScheme(Options):
    """What a user decides of stored weights, and what that means for each operator."""

    per_tensor: bool = option("One scale for all weights of a layer: fewer bytes, and what some runtimes need.", False)
    weight_bits: int = option(
        "Bits of the weights, 2 to 8; of 4 or fewer a .tflite file holds two in a byte.",
        WEIGHT_BITS,
        least=2,
        most=WEIGHT_BITS,
    )

    @property
    def bytes_each(self) -> float:
        """Of a weight in a .tflite file, but for operators that read no packed ones."""
        return 0.5 if self.weight_bits <= PACKED_BITS else 1.0

    def axis(self, operator: str) -> int | None:
        """Of the weights of an operator: where each index has a scale of its own; None if one serves all."""
        return None if self.per_tensor else row_of(operator).int8_axis

    def most(self, operator: str) -> int:
        """The largest magnitude of an operator's stored weights."""
        return weight_max(self._bits(operator))

    def quantization(self, operator: str, weights: Reals) -> Quantization:
        """The scales of an operator's weights.

        Raises:
            ModelError: a weight is not a finite number.
        """
        return weight_quantization(weights, self.axis(operator), self._bits(operator))

    def _bits(self, operator: str) -> int:
        weights = row_of(operator).weights
        return self.weight_bits if weights is not None and weights.packed else WEIGHT_BITS


EIGHT_BITS = WeightScheme()
"""What nobody decided: 8 bits, and a scale for each output channel of operators that have them."""
