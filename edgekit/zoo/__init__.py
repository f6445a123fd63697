"""Architectures, one readable file each, found by name and imported when built.

Each file has one ``nn.Module`` class named like the file in CamelCase. It is built from its input's shape (H, W, C) and
its number of classes, takes real inputs [N, C, H, W] and returns logits [N, classes].
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.errors import UnknownNameError

if TYPE_CHECKING:
    from torch import nn


def architectures() -> tuple[str, ...]:
    """The names of all architectures, sorted."""
    return tuple(sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py") if path.stem != "blocks"))


def build(architecture: str, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """A freshly initialised network for inputs of ``shape`` (H, W, C)."""
    if architecture not in architectures():
        raise UnknownNameError("architecture", architecture, architectures())
    module = importlib.import_module(f"edgekit.zoo.{architecture}")
    name = "".join(part.capitalize() for part in architecture.split("_"))
    network: nn.Module = getattr(module, name)(shape, classes)
    return network
