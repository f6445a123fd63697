"""ONNX Runtime on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgekit.artifact import METADATA_KEY, Array, TensorSpec
from edgekit.errors import ModelError
from edgekit.runtimes.session import Session, cannot_open

DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(int8)": "int8",
    "tensor(uint8)": "uint8",
    "tensor(int16)": "int16",
    "tensor(uint16)": "uint16",
    "tensor(int32)": "int32",
    "tensor(uint32)": "uint32",
    "tensor(int64)": "int64",
    "tensor(uint64)": "uint64",
    "tensor(bool)": "bool",
}
FATAL_ONLY = 4
EXACT_PRODUCTS = ("session.x64quantprecision", "1")
"""On x86 without VNNI, ONNX Runtime adds pairs of uint8 × int8 products in 16 bits, where they saturate. With this it
stores weights as uint8 on such processors, which is exact; elsewhere it changes nothing. It crashes on weights without
a zero point of their own, so it is for the files that EdgeKit wrote."""

UNPACKED_ONCE = ("session.disable_quant_qdq", "1")
"""ONNX Runtime keeps a DequantizeLinear of constants for its integer kernels, which models with small weights and float
computation do not use: they would unpack their weights in every run and take twice as long. This does it once."""
SMALL_WEIGHTS = b"weight_only_wi8"
"""How the recipe of such a file begins (``edgekit.conversion.weights_only``)."""


class OrtSession:
    """An InferenceSession."""

    def __init__(self, session: Any, data: bytes, source: str) -> None:
        described = [*session.get_inputs(), *session.get_outputs()]
        for value in described:
            if value.type not in DTYPES:
                raise ModelError(f"{source} has a {value.type} called '{value.name}'; only tensors of numbers are run.")
        stored = {value.name for value in described if DTYPES[value.type] in ("int8", "uint8")}
        scales = _boundary_scales(data, stored) if stored else {}
        self._session = session
        self.inputs = tuple(_spec(value, scales) for value in session.get_inputs())
        self.outputs = tuple(_spec(value, scales) for value in session.get_outputs())
        self._output_names = [spec.name for spec in self.outputs]

    def run(self, tensors: Sequence[Array]) -> list[Array]:
        """One inference."""
        feed = {spec.name: tensor for spec, tensor in zip(self.inputs, tensors, strict=True)}
        results: list[Array] = self._session.run(self._output_names, feed)
        return results


def load(data: bytes, source: str, threads: int) -> Session:
    """Open an .onnx model whose tensors are all inside it.

    Raises:
        ModelError: ONNX Runtime refuses it.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = FATAL_ONLY
    # Without this, bytes that look like ONNX Runtime's own format are opened as that, past all checks of ours.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    if METADATA_KEY.encode() in data:
        options.add_session_config_entry(*(UNPACKED_ONCE if SMALL_WEIGHTS in data else EXACT_PRODUCTS))
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as exc:  # its exceptions have no common base but Exception
        raise cannot_open(source, "ONNX Runtime", exc) from exc
    return OrtSession(session, data, source)


def _spec(value: Any, scales: dict[str, tuple[float, int]]) -> TensorSpec:
    shape = tuple(size if isinstance(size, int) else -1 for size in value.shape)
    scale, zero_point = scales.get(value.name, (None, 0))
    return TensorSpec(value.name, shape, DTYPES[value.type], scale, zero_point)


def _boundary_scales(data: bytes, names: set[str]) -> dict[str, tuple[float, int]]:
    """(scale, zero point) of 8-bit inputs and outputs, from the QuantizeLinear or DequantizeLinear they touch."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load_model_from_string(data).graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    found: dict[str, tuple[float, int]] = {}
    for node in graph.node:
        touched = node.input[0] if node.op_type == "DequantizeLinear" else None
        touched = node.output[0] if node.op_type == "QuantizeLinear" else touched
        if touched not in names or node.input[1] not in constants:
            continue
        scale = numpy_helper.to_array(constants[node.input[1]])
        zero_point = node.input[2] if len(node.input) > 2 else ""
        if scale.size == 1:
            zero = int(numpy_helper.to_array(constants[zero_point]).item()) if zero_point in constants else 0
            found[touched] = (float(scale.item()), zero)
    return found
