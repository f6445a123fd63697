"""Exported programs (``.pt2``), opened without unpickling code.

``torch.export.load`` unpickles what an archive marks as pickled and evaluates symbolic sizes as expressions, so the
archive is looked through first and refused if it holds either.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.errors import ModelError
from edgekit.files import require_file, sha256_file
from edgekit.inputs.contract import InputContract
from edgekit.inputs.contracts import Contract
from edgekit.runtimes.refusal import first_line
from edgekit.training.teacher import Teacher, torch_forward
from edgekit.training.teachers import TeacherOptions

if TYPE_CHECKING:
    from torch import nn

MAX_JSON_BYTES = 256 << 20
SIZE_EXPRESSION = re.compile(r"[0-9]+|[a-z]+[0-9]*|Symbol\('[a-z]+[0-9]*'(, (positive|nonnegative|integer)=True)*\)")
"""A number or a named size; anything else would be evaluated as Python."""


def takes(model: Any) -> bool:
    """True for the name of a .pt2 file."""
    return isinstance(model, str) and model.endswith(".pt2")


def teacher(options: TeacherOptions, student: Contract) -> Teacher:
    """Its input has the program's size."""
    options.require_no_weights()
    path = Path(options.model)
    module, (batch, channels, height, width) = load_program(path)
    contract = InputContract(height, width, channels)
    return Teacher(path.name, sha256_file(path), contract, torch_forward(module, path.name, batch))


def load_program(path: Path) -> tuple[nn.Module, tuple[int, ...]]:
    """Open an exported program with one image input; with it, the input's shape [N, C, H, W], -1 for an open N.

    Raises:
        ModelError: the file is broken, holds pickled code, or its program does not take one image.
    """
    import torch

    require_file(path)
    check_archive(path)
    try:
        program = torch.export.load(str(path))
        module = program.module()
    except Exception as exc:  # torch raises whatever the broken parts lead to
        raise ModelError(
            f"{path} cannot be loaded by torch.export ({first_line(exc)}); export the program again."
        ) from exc
    inputs = [node for node in program.graph.nodes if node.name in program.graph_signature.user_inputs]
    if len(inputs) != 1:
        raise ModelError(f"{path} takes {len(inputs)} inputs; a teacher takes one image.")
    shape = tuple(getattr(inputs[0].meta.get("val"), "shape", ()))
    if len(shape) != 4 or not all(isinstance(size, int) for size in shape[1:]):
        raise ModelError(f"{path} takes an input of shape {list(shape)}; a teacher takes images [N, C, H, W].")
    return module, (shape[0] if isinstance(shape[0], int) else -1, *shape[1:])


def check_archive(path: Path) -> None:
    """Refuse an archive that loading could make run code: pickled tensors or objects, expressions as sizes.

    Raises:
        ModelError: it does, or it is not such an archive.
    """
    import torch

    try:
        with zipfile.ZipFile(path) as archive:
            if (broken := archive.testzip()) is not None:
                raise ModelError(f"{path} is broken at its part {broken}; export the program again.")
            if not any(name.endswith("archive_format") for name in archive.namelist()):
                raise ModelError(
                    f"{path} is not a .pt2 archive of torch.export; save the program with torch.export.save."
                )
            for name in archive.namelist():
                if name.endswith(".json"):
                    _check_document(path, _read_json(archive, name))
                elif "/sample_inputs/" in name:
                    torch.load(io.BytesIO(archive.read(name)), weights_only=True)
    except ModelError:
        raise
    except Exception as exc:  # zipfile, json and torch raise whatever the broken bytes lead to
        raise ModelError(
            f"{path} is not a readable .pt2 archive ({first_line(exc)}); export the program again."
        ) from exc


def _read_json(archive: zipfile.ZipFile, name: str) -> Any:
    if archive.getinfo(name).file_size > MAX_JSON_BYTES:
        raise ModelError(f"The part {name} is larger than {MAX_JSON_BYTES >> 20} MiB; it is not opened.")
    return json.loads(archive.read(name))


def _check_document(path: Path, document: Any) -> None:
    for key, value in _items(document):
        pickled = (key == "use_pickle" and value) or (
            key == "path_name" and not str(value).startswith(("weight_", "tensor_"))
        )
        if pickled:
            raise ModelError(
                f"{path} holds pickled objects, which are never opened; export it with plain tensors only."
            )
        if key == "expr_str" and not SIZE_EXPRESSION.fullmatch(str(value)):
            raise ModelError(
                f"{path} has the computed size '{value}', which is not evaluated; export it with fixed sizes."
            )


def _items(document: Any) -> Iterator[tuple[str, Any]]:
    waiting = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield from value.items()
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
