"""Weights that an ONNX file keeps in another file of its folder, as torch's exporter writes them: moved into the model.

Nothing but a plain file of the model's own folder is read, and nothing of it before the sizes are known to fit.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.errors import ModelError

if TYPE_CHECKING:
    from onnx import TensorProto

KEYS = frozenset({"location", "offset", "length", "checksum"})


def move_in(tensor: TensorProto, path: Path, room: int) -> int:
    """Read the data of a tensor of the model at ``path`` into it; the number of bytes, which is at most ``room``.

    Its type and shape are sound; whether the data fit them is known only roughly before they are read.

    Raises:
        ModelError: the data are not a part of a file in the model's folder, or more than ``room``.
    """
    import onnx

    entries = {item.key: item.value for item in tensor.external_data}
    offset, length = (_number(entries.get(key, "0")) for key in ("offset", "length"))
    sound = tensor.data_location == onnx.TensorProto.EXTERNAL and len(entries) == len(tensor.external_data)
    if not sound or not KEYS.issuperset(entries) or offset is None or length is None:
        raise _refusal(tensor, path, "whose place it does not say clearly")
    data = _beside(tensor, path, entries.get("location", ""))
    size = data.stat().st_size
    length = length if "length" in entries else max(0, size - offset)
    most = math.prod(tensor.dims) * onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    if offset + length > size or length > most:
        raise _refusal(tensor, path, f"in {length} bytes from {offset} of '{data.name}', which do not fit")
    if length > room:
        raise ModelError(
            f"{path} has more than 2 GiB with the data in {data.name}, the most that a model may have here; export "
            "a smaller one."
        )
    with data.open("rb") as stream:
        stream.seek(offset)
        tensor.raw_data = stream.read(length)
    tensor.ClearField("external_data")
    tensor.ClearField("data_location")
    return length


def _number(text: str) -> int | None:
    return int(text) if isinstance(text, str) and text.isdecimal() and len(text) < 20 else None


def _beside(tensor: TensorProto, path: Path, name: str) -> Path:
    """The file ``name`` in the folder of ``path``: no path, and no link out of the folder, hard ones included."""
    if not isinstance(name, str) or not name or name != Path(name).name or {"\\", "\0", ":"} & set(name):
        raise _refusal(tensor, path, f"in '{name}', which is no plain file name")
    data = path.parent / name
    if not data.exists():
        raise _refusal(tensor, path, f"in '{name}', which is not beside it")
    leaves = data.resolve().parent != path.parent.resolve()
    if leaves or not data.is_file() or data.stat().st_nlink > 1:
        raise _refusal(tensor, path, f"in '{name}', which is a folder or a link to elsewhere")
    return data


def _refusal(tensor: TensorProto, path: Path, where: str) -> ModelError:
    return ModelError(
        f"{path} keeps the data of '{tensor.name}' in another file, {where}; put the data beside the model, or save it "
        "as one file (torch.onnx.export(..., external_data=False) or onnx.save(model, path))."
    )
