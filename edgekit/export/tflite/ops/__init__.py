"""One lowering function per ONNX operator, by family; importing a module registers its functions."""

from __future__ import annotations

from edgekit.export.tflite.lowering import known_operators, lowering_of
from edgekit.export.tflite.ops import convolution, elementwise, layout, pooling, shape, slices

__all__ = ["convolution", "elementwise", "known_operators", "layout", "lowering_of", "pooling", "shape", "slices"]
