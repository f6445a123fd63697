"""The ``Interpreter`` class that LiteRT and its predecessor tflite-runtime share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .runtime import Array, Model, Runtime, Shapes, Tensor, given_sizes


class InterpreterRuntime(Runtime):
    """A runtime whose module has an ``Interpreter``."""

    def options(self, module: Any) -> dict[str, Any]:
        """Further arguments of the Interpreter."""
        return {}

    def _open(self, model: Model, threads: int, shapes: Shapes) -> InterpreterSession:
        module = self.load()
        source = {"model_path" if isinstance(model, str) else "model_content": model}
        return InterpreterSession(module.Interpreter(num_threads=threads, **source, **self.options(module)), shapes)


class InterpreterSession:
    """An Interpreter with its tensors allocated."""

    def __init__(self, interpreter: Any, shapes: Shapes) -> None:
        own = {detail["name"]: detail for detail in interpreter.get_input_details()}
        given = given_sizes({name: detail["shape_signature"] for name, detail in own.items()}, shapes)
        for name, sizes in given.items():
            interpreter.resize_tensor_input(own[name]["index"], sizes)
        interpreter.allocate_tensors()
        inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
        self.inputs = tuple(_tensor(detail) if detail["name"] in given else _open(detail) for detail in inputs)
        self.outputs = tuple(_tensor(detail) for detail in outputs)
        self.interpreter = interpreter
        self._input_indices = [detail["index"] for detail in inputs]
        self._output_indices = [detail["index"] for detail in outputs]

    def run(self, tensors: Sequence[Array]) -> list[Array]:
        """One inference."""
        self.prepared(tensors)()
        return [self.interpreter.get_tensor(index) for index in self._output_indices]

    def prepared(self, tensors: Sequence[Array]) -> Callable[[], object]:
        """One inference per call."""
        if len(tensors) != len(self._input_indices):
            raise ValueError(f"{len(tensors)} tensors for {len(self._input_indices)} inputs")
        for index, tensor in zip(self._input_indices, tensors):
            self.interpreter.set_tensor(index, tensor)
        invoke: Callable[[], object] = self.interpreter.invoke
        return invoke


def _open(detail: Mapping[str, Any]) -> Tensor:
    """An input with its open sizes, but a batch of 1: TFLite writes 1 for them all."""
    tensor, signature = _tensor(detail), detail["shape_signature"]
    shape = tuple(-1 if axis and signature[axis] == -1 else size for axis, size in enumerate(tensor.shape))
    return tensor._replace(shape=shape)


def _tensor(detail: Mapping[str, Any]) -> Tensor:
    scale, zero_point = detail["quantization"]
    shape = tuple(int(size) for size in detail["shape"])
    return Tensor(str(detail["name"]), shape, np.dtype(detail["dtype"]).name, float(scale) or None, int(zero_point))
