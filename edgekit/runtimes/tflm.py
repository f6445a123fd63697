"""TensorFlow Lite for Microcontrollers: the reference kernels of small devices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .interpreter import tensor_of
from .runtime import Array, Model, Runtime, Shapes, Tensor

MIN_ARENA_BYTES = 16 << 20
ARENA_PER_MODEL_BYTE = 10


class Micro(Runtime):
    """TFLM has one thread, whatever is asked for, and takes no other sizes than the file's."""

    def _open(self, model: Model, threads: int, shapes: Shapes) -> MicroSession:
        data = Path(model).read_bytes() if isinstance(model, str) else model
        interpreter = self.load().Interpreter
        if _unpacks_channels(data):
            raise ValueError("it would unpack weights with one scale per channel by their first scale alone")
        arena = max(MIN_ARENA_BYTES, ARENA_PER_MODEL_BYTE * len(data))
        return MicroSession(interpreter.from_bytes(data, arena_size=arena))


class MicroSession:
    """A TFLM interpreter. It knows no tensor names, so they are ``input0``, ``output0`` and so on."""

    def __init__(self, interpreter: Any) -> None:
        self._interpreter = interpreter
        self.inputs = _tensors("input", interpreter.get_input_details)
        self.outputs = _tensors("output", interpreter.get_output_details)

    def run(self, tensors: Sequence[Array]) -> list[Array]:
        """One inference, whatever came before: an LSTM begins anew."""
        self._interpreter.reset()
        self.prepared(tensors)()
        return [np.array(self._interpreter.get_output(index)) for index in range(len(self.outputs))]

    def prepared(self, tensors: Sequence[Array]) -> Callable[[], object]:
        """One inference per call."""
        for index, tensor in enumerate(tensors):
            self._interpreter.set_input(tensor, index)
        invoke: Callable[[], object] = self._interpreter.invoke
        return invoke


RUNTIMES = (
    Micro(
        "tflm", "TFLite Micro", ".tflite", "tflite-micro", "tflite_micro.python.tflite_micro.runtime", is_timed=False
    ),
)


def _unpacks_channels(data: bytes) -> bool:
    """True if a DEQUANTIZE reads a tensor with several scales, of which TFLite Micro silently takes the first."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(data, 0)
    codes = [model.OperatorCodes(index) for index in range(model.OperatorCodesLength())]
    kinds = [max(code.BuiltinCode(), code.DeprecatedBuiltinCode()) for code in codes]  # older files know the latter
    unpacking = {index for index, kind in enumerate(kinds) if kind == schema.BuiltinOperator.DEQUANTIZE}
    if not unpacking:
        return False
    graph = model.Subgraphs(0)
    operators = [graph.Operators(index) for index in range(graph.OperatorsLength())]
    sources = [graph.Tensors(item.Inputs(0)) for item in operators if item.OpcodeIndex() in unpacking]
    quantizations = [source.Quantization() for source in sources]
    return any(item is not None and item.ScaleLength() > 1 for item in quantizations)


def _tensors(stem: str, details: Callable[[int], Mapping[str, Any]]) -> tuple[Tensor, ...]:
    found: list[Tensor] = []
    while True:
        try:
            detail = details(len(found))
        except IndexError:
            return tuple(found)
        found.append(tensor_of(detail, f"{stem}{len(found)}"))
