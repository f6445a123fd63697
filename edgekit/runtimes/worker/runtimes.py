"""Opening a model so that one call runs it: inputs in place, nothing but the runtime's own work inside the call."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np

from .refusal import Refusal, first_line

PACKAGES = {"ort": "onnxruntime", "litert": "ai-edge-litert", "tflite-runtime": "tflite-runtime"}
MODULES = {"ort": "onnxruntime", "litert": "ai_edge_litert.interpreter", "tflite-runtime": "tflite_runtime.interpreter"}
ONNX_DTYPES = {
    f"tensor({name})": np.dtype(name) for name in ("bool", "double", "float16", "int8", "int16", "int32", "int64")
}
ONNX_DTYPES.update({f"tensor(u{name})": np.dtype(f"u{name}") for name in ("int8", "int16", "int32", "int64")})
ONNX_DTYPES["tensor(float)"] = np.dtype("float32")


def import_runtime(name: str) -> Any:
    """Import a runtime's module.

    Raises:
        Refusal: it is not installed, or does not load on this machine.
    """
    try:
        return import_module(MODULES[name])
    except ImportError as exc:
        raise Refusal(
            "runtime", f"{PACKAGES[name]} does not load ({first_line(exc)}); pip install {PACKAGES[name]}"
        ) from exc


def runtime_version(name: str) -> str:
    """The installed version of a runtime."""
    return version(PACKAGES[name])


def open_model(name: str, module: Any, path: str, threads: int) -> Callable[[], object]:
    """Open the model file ``path``; the answer runs it once on random inputs.

    Raises:
        Refusal: the runtime refuses the file.
    """
    opener = open_onnx if name == "ort" else open_tflite
    try:
        return opener(module, path, threads)
    except (Refusal, MemoryError):
        raise
    except Exception as exc:  # each runtime has its own tree of exceptions, some of them native
        raise Refusal("model", first_line(exc)) from exc


def open_onnx(onnxruntime: Any, path: str, threads: int) -> Callable[[], object]:
    """Open a file in ONNX Runtime on the CPU; inputs and outputs are bound, so a call converts nothing."""
    session = onnxruntime.InferenceSession(path, onnx_options(onnxruntime, path, threads), ["CPUExecutionProvider"])
    return partial(session.run_with_iobinding, bind_tensors(onnxruntime, session))


def onnx_options(onnxruntime: Any, path: str, threads: int) -> Any:
    """Options of a session for a file with ``threads`` threads in all: those that EdgeKit evaluates the file with."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    with open(path, "rb") as stream:
        data = stream.read()
    if b"weight_only_wi8" in data:
        # Weights that are stored as integers but used in float: unpacked once, not in every run.
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    elif b"edgekit" in data:
        # Exact uint8 × int8 sums on x86 without VNNI; other writers' files may lack the zero points that it needs.
        options.add_session_config_entry("session.x64quantprecision", "1")
    return options


def bind_tensors(onnxruntime: Any, session: Any) -> Any:
    """Random inputs and room for the outputs, bound to an ONNX Runtime session.

    Raises:
        Refusal: an input leaves a dimension other than the first one open.
    """
    binding = session.io_binding()
    for tensor in session.get_inputs():
        shape = tuple(1 if axis == 0 and not isinstance(size, int) else size for axis, size in enumerate(tensor.shape))
        if not all(isinstance(size, int) for size in shape):
            raise Refusal("model", f"its input '{tensor.name}' leaves dimensions open: {tensor.shape}; fix its shape")
        value = random_tensor(shape, ONNX_DTYPES[tensor.type])
        binding.bind_ortvalue_input(tensor.name, onnxruntime.OrtValue.ortvalue_from_numpy(value))
    for tensor in session.get_outputs():
        binding.bind_output(tensor.name, "cpu")
    return binding


def open_tflite(module: Any, path: str, threads: int) -> Callable[[], object]:
    """Open a file in LiteRT, or in its predecessor tflite-runtime, with the kernels that it picks by itself."""
    interpreter = module.Interpreter(model_path=path, num_threads=threads)
    interpreter.allocate_tensors()
    for detail in interpreter.get_input_details():
        interpreter.set_tensor(detail["index"], random_tensor(tuple(detail["shape"]), np.dtype(detail["dtype"])))
    invoke: Callable[[], object] = interpreter.invoke
    return invoke


def random_tensor(shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Reproducible values: floats in [0, 1), bytes over their whole range, zeros for wider integers, often indices."""
    rng = np.random.default_rng(0)
    if dtype.kind == "f":
        return rng.random(shape).astype(dtype)
    if dtype.itemsize == 1 and dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    return np.zeros(shape, dtype)
