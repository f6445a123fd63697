"""One lowering function per ONNX operator, by family; importing a module registers its functions."""

from __future__ import annotations

from edgekit.export.tflite.lowering import known_operators, lowering_of
from edgekit.export.tflite.ops import (
    activations,
    convolution,
    elementwise,
    layout,
    matmul,
    padding,
    pooling,
    reductions,
    resize,
    shape,
    slices,
)

__all__ = [
    "activations",
    "convolution",
    "elementwise",
    "known_operators",
    "layout",
    "lowering_of",
    "matmul",
    "padding",
    "pooling",
    "reductions",
    "resize",
    "shape",
    "slices",
]
