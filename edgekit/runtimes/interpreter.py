"""The ``Interpreter`` class that LiteRT and its predecessor tflite-runtime share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property
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
        given = _resize(interpreter, shapes) if shapes else ()
        interpreter.allocate_tensors()
        inputs = interpreter.get_input_details()
        self.inputs = tuple(tensor_of(detail) if detail["name"] in given else _open(detail) for detail in inputs)
        self.interpreter = interpreter
        self._input_indices = [detail["index"] for detail in inputs]

    @cached_property
    def outputs(self) -> tuple[Tensor, ...]:
        """What it gives."""
        return tuple(tensor_of(detail) for detail in self.interpreter.get_output_details())

    @cached_property
    def _output_indices(self) -> list[int]:
        return [detail["index"] for detail in self.interpreter.get_output_details()]

    def run(self, tensors: Sequence[Array]) -> list[Array]:
        """One inference, whatever came before: an LSTM begins anew."""
        self.interpreter.reset_all_variables()
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


def _resize(interpreter: Any, shapes: Shapes) -> Collection[str]:
    """Give inputs their sizes; the names of those that got some."""
    own = {detail["name"]: detail for detail in interpreter.get_input_details()}
    given = given_sizes({name: detail["shape_signature"] for name, detail in own.items()}, shapes)
    for name, sizes in given.items():
        interpreter.resize_tensor_input(own[name]["index"], sizes)
    return given


def _open(detail: Mapping[str, Any]) -> Tensor:
    """An input with its open sizes, but a batch of 1: TFLite writes 1 for them all."""
    tensor, signature = tensor_of(detail), detail["shape_signature"]
    shape = tuple(-1 if axis and signature[axis] == -1 else size for axis, size in enumerate(tensor.shape))
    return tensor._replace(shape=shape)


def tensor_of(detail: Mapping[str, Any], name: str = "") -> Tensor:
    """A tensor as an interpreter describes it; with scales for its channels, it has none for all of it."""
    numbers = detail["quantization_parameters"]
    scales, zero_points = (numbers[key].tolist() for key in ("scales", "zero_points"))
    scale, zero_point = (scales[0], zero_points[0]) if len(scales) == len(zero_points) == 1 else (0.0, 0)
    shape = tuple(int(size) for size in detail["shape"])
    return Tensor(name or str(detail["name"]), shape, np.dtype(detail["dtype"]).name, scale or None, zero_point)
