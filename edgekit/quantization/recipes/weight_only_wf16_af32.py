"""float16 weights: half of the size, and the speed of float."""

from __future__ import annotations

from edgekit.conversion.weights_only import FLOAT16, with_small_weights
from edgekit.quantization.recipes import Made, Recipe, Start


def make(start: Start) -> Made:
    """All large constants, rounded."""
    small = with_small_weights(start.model, FLOAT16)
    return Made(small, small, start.intake)


RECIPE = Recipe(
    summary="float16 weights; computes in float (quantize --fp16)",
    files=("model.fp16.onnx", "model.fp16.tflite"),
    make=make,
)
