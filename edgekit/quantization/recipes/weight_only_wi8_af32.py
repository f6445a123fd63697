"""int8 weights alone, one scale per output channel: a quarter of the size, and the speed of float."""

from __future__ import annotations

from edgekit.conversion.weights_only import INT8, with_small_weights
from edgekit.quantization.recipes import Made, Recipe, Start

ONNX_FILE = "model.weights8.onnx"


def make(start: Start) -> Made:
    """Weights by their own largest values."""
    small = with_small_weights(start.model, INT8)
    return Made(small, small, start.intake)


RECIPE = Recipe(
    summary="int8 weights, one scale per output channel; computes in float (quantize --int8 --weights-only)",
    files=(ONNX_FILE, "model.weights8.tflite"),
    make=make,
    advice="Allow more, or take --fp16.",
    remark=f"Open {ONNX_FILE} with ONNX Runtime's session option session.disable_quant_qdq=1: without it the weights "
    "are unpacked in every run, which takes twice as long. (EdgeKit does; LiteRT unpacks them once by itself.)",
)
