"""Opening ONNX files that may come from a stranger: made whole, and checked before anything is built on them.

Weights in another file of the same folder are moved into the model, wherever the reference hides; weights elsewhere are
refused, so that opening a model never reads (or later overwrites) a file that does not lie beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.errors import ModelError
from edgekit.files import require_file
from edgekit.graph.external_data import move_in
from edgekit.graph.messages import OWN, complaint, in_order, makers_of

if TYPE_CHECKING:
    from onnx import FunctionProto, GraphProto, ModelProto, TensorProto

MAX_FILE_BYTES = (2 << 30) - 1
"""The limit of the protobuf format itself."""
MAX_TENSOR_BYTES = 1 << 30
"""The largest single tensor that a model may compute: far above any network for a phone or a Pi."""
MAX_NODES = 50_000
"""Far above any network for a phone or a Pi; some checks of ONNX's own take more than linear time."""
OLDEST_OPSET = 7
OPEN_SIZE = -1
"""What PaddlePaddle writes for a dimension that it leaves open."""
BAD_STRUCTURE = "is not a valid ONNX model"


def load_onnx(path: Path | str) -> ModelProto:
    """Parse an ONNX file; all its weights are inside the result.

    Raises:
        ModelError: the file is missing, truncated or not ONNX, refers to files outside its folder, has more than 2 GiB
            with its data or broken tensors, or is of an IR version or operator set that is not known here.
    """
    import onnx

    path = Path(path)
    require_file(path)
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise ModelError(f"{path} has {size} bytes, and an ONNX file has 2 GiB at the most; export a smaller model.")
    model = _parse(path.read_bytes(), path)
    _check_versions(model, path)
    nodes, room = 0, MAX_FILE_BYTES - size
    for message in _messages(model):
        nodes += isinstance(message, onnx.NodeProto)
        if nodes > MAX_NODES:
            raise ModelError(f"{path} has more than {MAX_NODES} operators, far more than a phone or a Pi can run.")
        _check_text(message, path)
        if isinstance(message, onnx.GraphProto | onnx.FunctionProto):
            _sort_nodes(message)
        if isinstance(message, onnx.TensorProto):
            _check_shape(message, path)
            if message.data_location != onnx.TensorProto.DEFAULT or message.external_data:
                room -= move_in(message, path, room)
            _check_data(message, path)
    return model


def whole_file(path: Path) -> bytes:
    """The bytes of a model as one file: those at ``path``, with weights that lie beside an ONNX file moved in.

    Raises:
        ModelError: as ``load_onnx``.
    """
    data = path.read_bytes()
    return load_onnx(path).SerializeToString() if may_refer(path, data) else data


def may_refer(path: Path, data: bytes) -> bool:
    """False if a file surely keeps no data elsewhere: it lacks the word that says where."""
    return path.suffix.lower() == ".onnx" and b"location" in data


def check_onnx(path: Path | str) -> ModelProto:
    """Everything that can be checked of an ONNX file without running it: structure, types, shapes and their bounds.

    The checker and the shape inference are native code: call this in a worker process for a stranger's file.

    Raises:
        ModelError: as ``load_onnx``; or the graph is invalid or computes a tensor beyond ``MAX_TENSOR_BYTES``.
    """
    import onnx

    model = load_onnx(path)
    shapeless = [value for value in model.graph.output if not value.type.tensor_type.HasField("shape")]
    try:
        # The checker asks for a shape of each output; runtimes do without, and inference may find it or not.
        for value in shapeless:
            value.type.tensor_type.shape.SetInParent()
        onnx.checker.check_model(model)
        for value in shapeless:
            value.type.tensor_type.ClearField("shape")
        inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    except Exception as exc:  # the native checker raises several unrelated types, RuntimeError among them
        raise ModelError(f"{path} {BAD_STRUCTURE} ({complaint(exc)}); export it again.") from exc
    for value in (*inferred.graph.input, *inferred.graph.value_info, *inferred.graph.output):
        dims = value.type.tensor_type.shape.dim
        sizes = [dim.dim_value for dim in dims if dim.HasField("dim_value") and dim.dim_value != OPEN_SIZE]
        if any(size < 0 for size in sizes) or math.prod(sizes) * 4 > MAX_TENSOR_BYTES:
            shape = "x".join(map(str, sizes))
            raise ModelError(
                f"{path}: tensor '{value.name}' of shape {shape} is impossible or larger than "
                f"{MAX_TENSOR_BYTES >> 20} MiB; check the model's input size."
            )
    return model


def _parse(data: bytes, path: Path) -> ModelProto:
    import onnx

    try:
        model = onnx.load_model_from_string(data)
    except Exception as exc:  # protobuf's DecodeError, whose module differs between its versions
        raise ModelError(f"{path} is not an ONNX file, or is cut short; export or download it again.") from exc
    if not model.graph.node or not model.graph.output:
        raise ModelError(f"{path} is not an ONNX file, or its graph is empty; export or download it again.")
    return model


def _check_versions(model: ModelProto, path: Path) -> None:
    import onnx

    if not 3 <= model.ir_version <= onnx.IR_VERSION:
        raise ModelError(
            f"{path} has ONNX IR version {model.ir_version}; 3 to {onnx.IR_VERSION} are known, export it with another."
        )
    newest = onnx.defs.onnx_opset_version()
    opsets = [entry.version for entry in model.opset_import if entry.domain in OWN]
    if len(opsets) != 1 or not OLDEST_OPSET <= opsets[0] <= newest:
        found = ", ".join(map(str, opsets)) or "none"
        raise ModelError(
            f"{path} asks for ONNX operator set {found}; {OLDEST_OPSET} to {newest} are known, export it with another."
        )


def _messages(model: ModelProto) -> Iterator[Any]:
    """All messages of a model: the walk is over their own fields, so that no hiding place is forgotten."""
    pending: list[Any] = [model]
    while pending:
        current = pending.pop()
        yield current
        for field, value in current.ListFields():
            if field.message_type is not None:
                pending.extend(value if hasattr(value, "__len__") else (value,))


def _sort_nodes(graph: GraphProto | FunctionProto) -> None:
    """Let each node stand behind those that it reads, which ONNX asks for and ONNX Runtime does not."""
    nodes = list(graph.node)
    ordered = in_order(nodes, makers_of(nodes))
    if ordered != nodes:
        del graph.node[:]
        graph.node.extend(ordered)


def _check_text(message: Any, path: Path) -> None:
    """Names are text: protobuf hands over what is not UTF-8 as bytes, which nothing here expects."""
    for field, value in message.ListFields():
        if field.type != field.TYPE_STRING:
            continue
        texts = (value,) if isinstance(value, str | bytes) else value
        if any(isinstance(text, bytes) for text in texts):
            raise ModelError(f"{path} has a {field.name} that is not text; it is damaged, export or download it again.")


def _check_shape(tensor: TensorProto, path: Path) -> None:
    import onnx

    dims = list(tensor.dims)
    known = tensor.data_type in onnx.helper.get_all_tensor_dtypes()
    if not known or any(size < 0 for size in dims) or math.prod(dims) > MAX_FILE_BYTES:
        raise ModelError(
            f"{path}: tensor '{tensor.name}' has an impossible type or shape {dims}; export the model again."
        )


def _check_data(tensor: TensorProto, path: Path) -> None:
    import onnx

    dims = list(tensor.dims)
    try:
        array = onnx.numpy_helper.to_array(tensor)
    except Exception as exc:  # whatever numpy makes of data that do not fit the declared shape
        raise ModelError(
            f"{path}: tensor '{tensor.name}' does not hold what its shape {dims} says; export it again."
        ) from exc
    if array.size != math.prod(dims):
        raise ModelError(
            f"{path}: tensor '{tensor.name}' holds {array.size} values instead of {math.prod(dims)}; export it again."
        )
