"""One lowering function per ONNX operator, by family; importing a module registers its functions."""

from __future__ import annotations

from edgekit.conversion.tflite.lowering import known_operators, lowering_of
from edgekit.conversion.tflite.ops import (
    activations,
    composites,
    convolution,
    elementwise,
    layout,
    matmul,
    normalization,
    padding,
    pooling,
    reductions,
    resize,
    shape,
    slices,
)

__all__ = [
    "activations",
    "composites",
    "convolution",
    "elementwise",
    "known_operators",
    "layout",
    "lowering_of",
    "matmul",
    "normalization",
    "padding",
    "pooling",
    "reductions",
    "resize",
    "shape",
    "slices",
]
