"""ONNX → TFLite: ``lower`` turns a prepared float or a QDQ int8 model into the bytes of a .tflite file."""

from __future__ import annotations

from edgekit.conversion.tflite.lower_model import check_lowerable, lower

__all__ = ["check_lowerable", "lower"]
