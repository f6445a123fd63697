"""TensorFlow Lite for Microcontrollers: the reference kernels of small devices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from edgekit.artifact import Array, TensorSpec
from edgekit.runtimes.session import Session, cannot_open

MIN_ARENA_BYTES = 16 << 20
ARENA_PER_MODEL_BYTE = 10


class MicroSession:
    """A TFLM interpreter. It knows no tensor names, so they are ``input0``, ``output0`` and so on."""

    def __init__(self, interpreter: Any) -> None:
        self._interpreter = interpreter
        self.inputs = _specs("input", interpreter.get_input_details)
        self.outputs = _specs("output", interpreter.get_output_details)

    def run(self, tensors: Sequence[Array]) -> list[Array]:
        """One inference."""
        for index, (tensor, _) in enumerate(zip(tensors, self.inputs, strict=True)):
            self._interpreter.set_input(tensor, index)
        self._interpreter.invoke()
        return [np.array(self._interpreter.get_output(index)) for index in range(len(self.outputs))]


def load(data: bytes, source: str, threads: int) -> Session:
    """Open a .tflite model; the runtime has one thread whatever ``threads`` says.

    Raises:
        ModelError: TFLite Micro refuses it.
    """
    from tflite_micro.python.tflite_micro import runtime

    arena = max(MIN_ARENA_BYTES, ARENA_PER_MODEL_BYTE * len(data))
    try:
        if _unpacks_channels(data):
            raise ValueError("it would unpack weights with one scale per channel by their first scale alone")
        return MicroSession(runtime.Interpreter.from_bytes(data, arena_size=arena))
    except Exception as exc:  # it also fails with whatever its Python FlatBuffer reader meets in a broken file
        raise cannot_open(source, "TFLite Micro", exc) from exc


def _unpacks_channels(data: bytes) -> bool:
    """True if a DEQUANTIZE reads a tensor with several scales, of which TFLite Micro silently takes the first."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(data, 0)
    codes = [model.OperatorCodes(index) for index in range(model.OperatorCodesLength())]
    unpacking = {index for index, code in enumerate(codes) if code.BuiltinCode() == schema.BuiltinOperator.DEQUANTIZE}
    if not unpacking:
        return False
    graph = model.Subgraphs(0)
    operators = [graph.Operators(index) for index in range(graph.OperatorsLength())]
    sources = [graph.Tensors(item.Inputs(0)) for item in operators if item.OpcodeIndex() in unpacking]
    quantizations = [source.Quantization() for source in sources]
    return any(item is not None and item.ScaleLength() > 1 for item in quantizations)


def _specs(stem: str, details: Callable[[int], Mapping[str, Any]]) -> tuple[TensorSpec, ...]:
    specs: list[TensorSpec] = []
    while True:
        try:
            detail = details(len(specs))
        except IndexError:
            return tuple(specs)
        quantization = detail["quantization_parameters"]
        scales, zero_points = quantization["scales"], quantization["zero_points"]
        specs.append(
            TensorSpec(
                name=f"{stem}{len(specs)}",
                shape=tuple(int(size) for size in detail["shape"]),
                dtype=np.dtype(detail["dtype"]).name,
                scale=float(scales[0]) if len(scales) and scales[0] else None,
                zero_point=int(zero_points[0]) if len(zero_points) else 0,
            )
        )
