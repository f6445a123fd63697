"""No runtime at all: a model as C, compiled to a shared library, which EdgeKit hands over in the .tflite file's place.

The library has ``host_ends``, its inputs and outputs as JSON, and ``host_run``, which takes their addresses.
"""

from __future__ import annotations

import ctypes
import json
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from .runtime import Array, Model, Runtime, Shapes, Tensor, given_sizes


class Compiled(Runtime):
    """C has one thread, whatever is asked for, and takes no other sizes than the file's."""

    def version(self) -> str:
        """The language's: what compiles it is no part of the library."""
        return "C99"

    def _open(self, model: Model, threads: int, shapes: Shapes) -> LibrarySession:
        if not isinstance(model, str):
            raise ValueError("a library is opened by its path")
        session = LibrarySession(ctypes.CDLL(model))
        given_sizes({tensor.name: tensor.shape for tensor in session.inputs}, shapes)
        return session


class LibrarySession:
    """A library that is loaded. All sessions of one library share its memory."""

    def __init__(self, library: ctypes.CDLL) -> None:
        ends = json.loads(ctypes.c_char_p.in_dll(library, "host_ends").value or b"")
        self.inputs, self.outputs = (
            tuple(Tensor(name, tuple(shape), *rest) for name, shape, *rest in ends[kind])
            for kind in ("inputs", "outputs")
        )
        self._run = library.host_run
        self._run.restype = None

    def run(self, tensors: Sequence[Array]) -> list[Array]:
        """One inference."""
        results = [np.empty(tensor.shape, tensor.dtype) for tensor in self.outputs]
        self._bound(tensors, results)()
        return results

    def prepared(self, tensors: Sequence[Array]) -> Callable[[], object]:
        """One inference per call."""
        return self._bound(tensors, [np.empty(tensor.shape, tensor.dtype) for tensor in self.outputs])

    def _bound(self, tensors: Sequence[Array], results: Sequence[Array]) -> Callable[[], object]:
        """A call with the addresses of arrays, which it keeps."""
        if [(given.shape, given.dtype.name) for given in tensors] != [(own.shape, own.dtype) for own in self.inputs]:
            raise ValueError("the tensors are not of the inputs' shapes and types")
        arrays = [*map(np.ascontiguousarray, tensors), *results]
        addresses = (ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))
        addresses.arrays = arrays  # type: ignore[attr-defined]
        return partial(self._run, addresses)


RUNTIMES = (Compiled("c", "C", ".tflite", "", "ctypes"),)
