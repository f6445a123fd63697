"""ONNX → C: ``c_program`` turns a QDQ int8 model into one C99 file and its header, which need no runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.conversion.c.program import Program, check, program_of
from edgekit.conversion.tflite.lower_model import lowered_record
from edgekit.conversion.tflite.writer import write_model
from edgekit.modelfiles.golden import example_of

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["Program", "c_program", "program_of"]


def c_program(model: ModelProto, name: str) -> Program:
    """The C program of a prepared QDQ model, whose functions begin with ``name``, with its golden example.

    Raises:
        UnsupportedError: an operator, a type or a form that TFLite or C has not.
    """
    _, lowered = lowered_record(model)
    check(lowered)
    return program_of(lowered, name, example_of(write_model(lowered), "litert"))
