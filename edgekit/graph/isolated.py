"""Opening a stranger's ONNX file for work on its graph: a worker process checks, converts and prepares it.

The native checker, shape inference and version converter, and the folding of whatever constants the file holds, may
crash or go on for hours; only the prepared model comes back.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import UsageError, naming
from edgekit.files import require_file, sha256_bytes
from edgekit.graph.constants import folded
from edgekit.graph.load import check_onnx, may_refer, whole_file
from edgekit.runtimes.runtime import Shapes
from edgekit.sandbox import Limits, Sandbox

if TYPE_CHECKING:
    from onnx import ModelProto

QUANTIZED_OPERATORS = frozenset(
    {"QuantizeLinear", "DequantizeLinear", "QLinearConv", "QLinearMatMul", "DynamicQuantizeLinear"}
)


def open_prepared(
    path: Path, limits: Limits | None = None, shapes: Shapes | None = None, cut_at: str = ""
) -> ModelProto:
    """The prepared form of the float model in a file; of a model that is quantized already only constants are folded.

    ``shapes``: the dimensions of inputs that leave more open than the batch, by their names. ``cut_at``: a node before
    which the model ends.

    Raises:
        ModelError, UnsupportedError, UnknownNameError: see ``check_onnx`` and ``prepare``.
        RuntimeCrashError: the file made the worker crash, hang or want too much memory.
    """
    import onnx

    require_file(path)
    sizes = {name: list(shape) for name, shape in (shapes or {}).items()}
    with Sandbox(str(path), limits) as sandbox:
        data = sandbox.call("edgekit.graph.isolated:prepared_bytes", path=str(path), shapes=sizes, cut_at=cut_at)
    return onnx.load_model_from_string(data.tobytes())


def model_bytes(path: Path) -> bytes:
    """The bytes of a model as one file, however it is stored: what is copied, counted and hashed of it.

    Raises:
        ModelError, RuntimeCrashError: an ONNX file keeps weights elsewhere, and is broken or refers to other folders.
    """
    data = require_file(path).read_bytes()
    if not may_refer(path, data):
        return data
    with Sandbox(str(path)) as sandbox:
        return bytes(sandbox.call("edgekit.graph.isolated:whole_bytes", path=str(path)).tobytes())


def model_sha256(path: Path) -> str:
    """The hex SHA-256 of a model as one file: that of the file itself, unless weights lie beside it."""
    return sha256_bytes(model_bytes(path))


def whole_bytes(path: str) -> NDArray[np.uint8]:
    """What ``model_bytes`` does inside its worker."""
    return np.frombuffer(whole_file(Path(path)), np.uint8)


def prepared_bytes(path: str, shapes: Shapes | None = None, cut_at: str = "") -> NDArray[np.uint8]:
    """What ``open_prepared`` does inside its worker: the serialized model."""
    from edgekit.graph.prepare import prepare

    model = check_onnx(path)
    if is_quantized(model) and (shapes or cut_at):
        raise UsageError(f"{path} is int8 already: --shape and --cut-at are for the float file that it was made from.")
    with naming(path):
        model = folded(model) if is_quantized(model) else prepare(model, shapes, cut_at)
    return np.frombuffer(model.SerializeToString(), np.uint8)


def is_quantized(model: ModelProto) -> bool:
    """True if a model holds quantized values."""
    return any(node.op_type in QUANTIZED_OPERATORS for node in model.graph.node)
