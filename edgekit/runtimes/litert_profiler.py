"""LiteRT's own profiler, through the C interface of the library that its Python package ships.

The Python classes do not offer it. The functions are those of ``litert/c/*.h`` (github.com/google-ai-edge/LiteRT), with
the signatures of LiteRT 2.3. It runs the model as ``CompiledModel`` on the CPU, which is XNNPACK with the same kernels
as the Interpreter, and names XNNPACK's operators where XNNPACK runs them.
"""

from __future__ import annotations

import ctypes
import importlib.util
from ctypes import byref, c_char_p, c_int, c_int32, c_int64, c_size_t, c_uint64, c_void_p
from pathlib import Path
from typing import Any

CPU = 1
SIGNATURE = c_size_t(0)
RANKED_TENSOR_TYPE_BYTES = 256  # more than the structure has; only LiteRT looks inside
PROFILING = b"enable_profiling = true\n"
DEFAULT_EVENT = 1
OPERATOR_EVENTS = (2, 4, 8)  # an operator, or one that a delegate reports


class _Event(ctypes.Structure):
    """``ProfiledEventData`` of litert_profiler_event.h."""

    _fields_ = (
        ("tag", c_char_p),
        ("type", c_int32),
        ("start_us", c_uint64),
        ("elapsed_us", c_uint64),
        ("memory", c_int64 * 6),
        ("metadata", c_uint64 * 2),
        ("source", c_int32),
    )


KEEP = ctypes.CFUNCTYPE(None, c_void_p)(lambda _: None)
"""The destructor of an options text: the text belongs to Python."""


class ProfiledModel:
    """A model compiled for the CPU with profiling on.

    ``kernels`` is empty for XNNPACK where it has kernels, else ``builtin`` or ``reference``.
    """

    def __init__(self, path: str, threads: int, kernels: str = "") -> None:
        package = importlib.util.find_spec("ai_edge_litert")
        if package is None or not package.submodule_search_locations:
            raise RuntimeError("ai-edge-litert is not installed")
        self._library = ctypes.CDLL(str(Path(package.submodule_search_locations[0]) / "libLiteRt.so"))
        self._texts: list[Any] = []
        self._environment = self._make("CreateEnvironment", c_int(0), None)
        self._model = self._make("CreateModelFromFile", self._environment, c_char_p(path.encode()))
        self._options = self._make("CreateOptions")
        self._call("SetOptionsHardwareAccelerators", self._options, c_int(CPU))
        self._add_options(b"runtime_options_string", PROFILING)
        mode = f'kernel_mode = "{kernels}"\n' if kernels else ""
        self._add_options(b"xnnpack", f"num_threads = {threads}\n{mode}".encode())
        self._compiled = self._make("CreateCompiledModel", self._environment, self._model, self._options)
        self._profiler = self._make("CompiledModelGetProfiler", self._compiled)
        self._inputs = self._buffers("Input")
        self._outputs = self._buffers("Output")

    def __enter__(self) -> ProfiledModel:
        self._call("StartProfiler", self._profiler)
        return self

    def __exit__(self, *_: object) -> None:
        """The process ends soon: nothing is destroyed, so nothing can be destroyed in the wrong order."""

    def run(self) -> None:
        """One inference on whatever the input buffers hold, which is zeros."""
        inputs, outputs = self._inputs, self._outputs
        sizes = c_size_t(len(inputs)), c_size_t(len(outputs))
        self._call("RunCompiledModel", self._compiled, SIGNATURE, sizes[0], inputs, sizes[1], outputs)

    def events(self) -> list[list[tuple[str, str, float]]]:
        """End the profile: (name, type, nanoseconds) of each operator of each run."""
        self._call("StopProfiler", self._profiler)
        count = c_int()
        self._call("GetNumProfilerEvents", self._profiler, byref(count))
        events = (_Event * count.value)()
        self._call("GetProfilerEvents", self._profiler, count, events)
        runs: list[list[tuple[str, str, float]]] = []
        for event in events:
            tag = event.tag.decode(errors="replace")
            if event.type == DEFAULT_EVENT and tag == "Invoke":  # comes before the operators that it spans
                runs.append([])
            elif event.type in OPERATOR_EVENTS and runs:
                runs[-1].append((f"{tag} {event.metadata[0]}", tag, event.elapsed_us * 1000.0))
        return runs

    def _buffers(self, kind: str) -> Any:
        """Managed tensor buffers for all inputs or outputs of the first signature, as a C array."""
        signature = self._make("GetModelSignature", self._model, SIGNATURE)
        count = c_size_t()
        self._call(f"GetNumSignature{kind}s", signature, byref(count))
        buffers = (c_void_p * count.value)()
        for index in range(count.value):
            place = c_size_t(index)
            needs = self._make(f"GetCompiledModel{kind}BufferRequirements", self._compiled, SIGNATURE, place)
            tensor = self._make(f"GetSignature{kind}TensorByIndex", signature, place)
            tensor_type = ctypes.create_string_buffer(RANKED_TENSOR_TYPE_BYTES)
            self._call("GetRankedTensorType", tensor, tensor_type)
            made = self._make("CreateManagedTensorBufferFromRequirements", self._environment, tensor_type, needs)
            buffers[index] = made.value
        return buffers

    def _add_options(self, identifier: bytes, text: bytes) -> None:
        payload = ctypes.create_string_buffer(text)
        self._texts.append(payload)
        options = self._make("CreateOpaqueOptions", c_char_p(identifier), payload, KEEP)
        self._call("AddOpaqueOptions", self._options, options)

    def _make(self, function: str, *arguments: Any) -> c_void_p:
        """Call a function whose last argument receives a handle."""
        handle = c_void_p()
        self._call(function, *arguments, byref(handle))
        return handle

    def _call(self, function: str, *arguments: Any) -> None:
        status = getattr(self._library, f"LiteRt{function}")(*arguments)
        if status != 0:
            raise RuntimeError(f"LiteRT's profiler cannot open this file ({function} answers {status})")
