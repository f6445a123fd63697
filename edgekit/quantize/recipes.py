"""The quantization recipes by name: what is quantized, to how many bits, and where its ranges come from."""

from __future__ import annotations

STATIC_INT8 = "static_wi8_ai8"

RECIPES = {
    STATIC_INT8: "int8 weights and activations with static ranges from calibration images (quantize --int8)",
}
