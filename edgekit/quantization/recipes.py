"""The quantization recipes by name: what is quantized, to how many bits, and where its ranges come from."""

from __future__ import annotations

from edgekit.conversion.weights_only import WEIGHTS_ONLY_HALF, WEIGHTS_ONLY_INT8

STATIC_INT8 = "static_wi8_ai8"


RECIPES = {
    STATIC_INT8: "int8 weights and activations with static ranges from calibration images (quantize --int8)",
    WEIGHTS_ONLY_INT8: "int8 weights, one scale per output channel; computes in float (quantize --int8 --weights-only)",
    WEIGHTS_ONLY_HALF: "float16 weights; computes in float (quantize --fp16)",
}
