"""Network weights on disk: safetensors, or a state dict that is read without unpickling code."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.errors import ModelError
from edgekit.files import require_file, sha256_bytes, write_bytes

if TYPE_CHECKING:
    from torch import Tensor, nn

PARALLEL = "module."
"""What DataParallel puts before the name of each parameter."""


def save_weights(model: nn.Module, path: Path) -> Path:
    """Store a network's parameters and buffers as safetensors, atomically."""
    write_bytes(path, _packed(model.state_dict()))
    return path


def weights_sha256(model: nn.Module) -> str:
    """The SHA-256 of the file that ``save_weights`` would write."""
    return tensors_sha256(model.state_dict())


def tensors_sha256(tensors: Mapping[str, Tensor]) -> str:
    """The SHA-256 of a file of these tensors."""
    return sha256_bytes(_packed(tensors))


def _packed(tensors: Mapping[str, Tensor]) -> bytes:
    import torch
    from safetensors.torch import save

    whole = torch.contiguous_format
    # What two layers share is stored for each, which safetensors refuses to do by itself.
    return bytes(save({name: value.clone(memory_format=whole) for name, value in tensors.items()}))


def load_weights(model: nn.Module, path: Path, called: Callable[[str], str] | None = None) -> nn.Module:
    """Fill ``model`` from a file of weights, see ``read_tensors``; evaluation mode.

    ``called`` says what a file of others, which may hold more, calls each of the network's parameters.

    Raises:
        ModelError: the file is broken, holds more than tensors, or does not fit the network.
    """
    tensors = read_tensors(path)
    if called is not None:
        tensors = {name: tensors[theirs] for name in model.state_dict() if (theirs := called(name)) in tensors}
    try:
        model.load_state_dict(tensors)
    except (RuntimeError, AttributeError) as exc:
        wanted = model.state_dict()
        differing = {
            "lacks": [name for name in wanted if name not in tensors],
            "has besides": [name for name in tensors if name not in wanted],
        }
        why = " and ".join(f"it {verb} {_listed(names)}" for verb, names in differing.items() if names)
        reason = why or _first_line(exc, 3)
        raise ModelError(f"{path} does not fit the network {type(model).__name__}: {reason}.") from exc
    return model.eval()


def _listed(names: list[str]) -> str:
    return f"'{names[0]}'" + (f" and {len(names) - 1} more" if len(names) > 1 else "")


def take_widths(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Give each layer as many channels as its tensors have, where some were taken out of a network of this kind."""
    import torch
    from torch import nn

    for name, layer in model.named_modules():
        weight = tensors.get(f"{name}.weight")
        if weight is None or not isinstance(layer, nn.Conv2d | nn.Linear | nn.BatchNorm2d):
            continue
        if weight.ndim != layer.weight.ndim or weight.shape == layer.weight.shape:
            continue
        for kind, value in layer.state_dict().items():
            fresh = torch.empty_like(tensors.get(f"{name}.{kind}", value))
            setattr(layer, kind, nn.Parameter(fresh) if isinstance(getattr(layer, kind), nn.Parameter) else fresh)
        made = len(weight)
        match layer:
            case nn.BatchNorm2d():
                layer.num_features = made
            case nn.Linear():
                layer.out_features, layer.in_features = weight.shape
            case nn.Conv2d():
                if 1 < layer.groups == layer.in_channels:
                    layer.groups = made
                layer.out_channels, layer.in_channels = made, weight.shape[1] * layer.groups


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors file or a torch state dict (.pt, .pth, .th), by name, in the file's order.

    A state dict may lie under the key ``state_dict``, and all its names may have the prefix PARALLEL.

    Raises:
        ModelError: the file is broken, or holds more than tensors.
    """
    import torch

    require_file(path)
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load

            return dict(load(path.read_bytes()))
        check_sums(path)
        tensors = torch.load(path, map_location="cpu", weights_only=True)
        tensors = tensors.get("state_dict", tensors)
        prefix = PARALLEL if all(name.startswith(PARALLEL) for name in tensors) else ""
        return {name.removeprefix(prefix): value for name, value in tensors.items()}
    except Exception as exc:  # safetensors and torch raise whatever the broken bytes lead to
        raise ModelError(
            f"{path} is not a readable weights file ({_first_line(exc)}); only safetensors and plain state dicts "
            "are opened, never pickled code. Save it again with safetensors."
        ) from exc


def check_sums(path: Path) -> None:
    """Compare the checksums of a file of torch's, which is a zip file: torch itself does not.

    Raises:
        ValueError: a part of it is damaged.
    """
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise ValueError(f"its part {damaged} is damaged")


def _first_line(exc: BaseException, lines: int = 1) -> str:
    text = " ".join(line.strip() for line in str(exc).splitlines()[:lines])
    return text[:300].rstrip(".")
