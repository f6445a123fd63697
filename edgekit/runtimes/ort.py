"""ONNX Runtime on the CPU. Every session of it is opened here."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from .onnx_fields import described_recipe, has_zero_points
from .runtime import Array, Model, Runtime, Shapes, Tensor, given_sizes, random_inputs

DTYPES = {f"tensor({name})": name for name in ("bool", "float16", "int8", "int16", "int32", "int64")}
DTYPES.update({f"tensor(u{name})": f"u{name}" for name in ("int8", "int16", "int32", "int64")})
DTYPES.update({"tensor(float)": "float32", "tensor(double)": "float64"})
FATAL_ONLY = 4
EXACT_PRODUCTS = ("session.x64quantprecision", "1")
"""On x86 without VNNI, ONNX Runtime adds pairs of uint8 × int8 products in 16 bits, where they saturate. With this it
stores weights as uint8 on such processors, which is exact; elsewhere it changes nothing. It crashes on weights without
a zero point of their own, so it is for the files that EdgeKit wrote and that still have them all."""

UNPACKED = ("session.disable_quant_qdq", "1")
"""ONNX Runtime keeps a DequantizeLinear of constants for its integer kernels, which models with small weights and float
computation do not use: they would unpack their weights in every run and take twice as long. This does it once. It also
leaves roundings where a graph has them, which else move past float operators and round the float weights between."""
SMALL_WEIGHTS = "weight_only_wi8"
"""How the recipe of such a file begins (``edgekit.conversion.weights_only``)."""


def open_file(model: Model, threads: int, profile_prefix: str = "") -> Any:
    """A session for a model file, to evaluate, to time, to profile or to teach with: always with the same options.

    ``threads`` of 0 takes all cores. With ``profile_prefix`` ONNX Runtime writes its profile to a file that begins so.
    """
    recipe = described_recipe(model)
    entries = []
    if recipe is not None and recipe.startswith(SMALL_WEIGHTS):
        entries.append(UNPACKED)
    elif recipe is not None and has_zero_points(model):
        entries.append(EXACT_PRODUCTS)
    options = _options(threads, *entries)
    if profile_prefix:
        options.enable_profiling, options.profile_file_prefix = True, profile_prefix
    return _session(model, options)


def open_graph(model: bytes, threads: int, optimize: bool = True, as_simulated: bool = False) -> Any:
    """A session for a graph that EdgeKit has made, to look at what it computes.

    Unless ``optimize``, it runs as it is written, operator by operator, which is slow. ``as_simulated`` computes in
    float between the roundings of the graph, and leaves those where they are written.
    """
    import onnxruntime

    options = _options(threads, UNPACKED if as_simulated else EXACT_PRODUCTS)
    level = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimize else level.ORT_DISABLE_ALL
    # Its own allocator keeps all that it ever had, for every session anew; without it nothing becomes slower here.
    options.enable_cpu_mem_arena = options.enable_mem_pattern = False
    return _session(model, options)


def _options(threads: int, *entries: tuple[str, str]) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = FATAL_ONLY
    # Without this, bytes that look like ONNX Runtime's own format are opened as that, past all checks of ours.
    for entry in (("session.load_model_format", "ONNX"), *entries):
        options.add_session_config_entry(*entry)
    return options


def _session(model: Model, options: Any) -> Any:
    import onnxruntime

    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


class OnnxRuntime(Runtime):
    """ONNX Runtime."""

    def profiler(self, model: str, threads: int, shapes: Shapes) -> ProfiledOnnx:
        """See ``Runtime.profiler``."""
        return ProfiledOnnx(model, threads, shapes)

    def _open(self, model: Model, threads: int, shapes: Shapes) -> OrtSession:
        self.load()
        return OrtSession(open_file(model, threads), shapes)


class OrtSession:
    """An InferenceSession."""

    def __init__(self, session: Any, shapes: Shapes) -> None:
        given = given_sizes({value.name: _sizes(value) for value in session.get_inputs()}, shapes)
        self.session = session
        self.inputs = tuple(
            Tensor(value.name, given.get(value.name) or _sizes(value), _dtype(value)) for value in session.get_inputs()
        )
        self.outputs = tuple(Tensor(value.name, _sizes(value), _dtype(value)) for value in session.get_outputs())
        self._output_names = [tensor.name for tensor in self.outputs]

    def run(self, tensors: Sequence[Array]) -> list[Array]:
        """One inference."""
        feed = {tensor.name: value for tensor, value in zip(self.inputs, tensors)}
        results: list[Array] = self.session.run(self._output_names, feed)
        return results

    def prepared(self, tensors: Sequence[Array]) -> Callable[[], object]:
        """One inference per call; inputs and outputs are bound, so it converts nothing."""
        import onnxruntime

        binding = self.session.io_binding()
        for tensor, value in zip(self.inputs, tensors):
            binding.bind_ortvalue_input(tensor.name, onnxruntime.OrtValue.ortvalue_from_numpy(value))
        for name in self._output_names:
            binding.bind_output(name, "cpu")
        return partial(self.session.run_with_iobinding, binding)


class ProfiledOnnx:
    """A session with profiling on."""

    def __init__(self, path: str, threads: int, shapes: Shapes) -> None:
        import tempfile

        self._folder = tempfile.TemporaryDirectory()
        self._session = OrtSession(open_file(path, threads, str(Path(self._folder.name) / "profile")), shapes)
        self.run = self._session.prepared(random_inputs(self._session.inputs, path))

    def __enter__(self) -> ProfiledOnnx:
        return self

    def __exit__(self, *error: object) -> None:
        self._folder.cleanup()

    def events(self) -> list[list[tuple[str, str, float]]]:
        """End the profile: (name, type, nanoseconds) of each operator of each run."""
        runs: list[list[tuple[str, str, float]]] = [[]]
        for event in json.loads(Path(self._session.session.end_profiling()).read_text()):
            if event["name"] == "SequentialExecutor::Execute":  # comes after the operators that it has executed
                runs.append([])
            elif event["cat"] == "Node" and event["name"].endswith("_kernel_time"):
                label = event["name"][: -len("_kernel_time")]
                runs[-1].append((label, event["args"]["op_name"], event["dur"] * 1000.0))
        return runs[:-1]


RUNTIMES = (OnnxRuntime("ort", "ONNX Runtime", ".onnx", "onnxruntime", "onnxruntime"),)


def _sizes(value: Any) -> tuple[int, ...]:
    return tuple(size if isinstance(size, int) and size >= 0 else -1 for size in value.shape)


def _dtype(value: Any) -> str:
    if value.type not in DTYPES:
        raise TypeError(f"it has a {value.type} called '{value.name}', and only tensors of numbers are run")
    return DTYPES[value.type]
