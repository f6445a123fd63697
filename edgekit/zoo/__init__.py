"""Architectures, one readable file each, found by name and imported when built.

Each file has one ``nn.Module`` class named like the file in CamelCase. It is built from its input's shape, its number
of classes and the arguments that a card may name, and returns logits [N, classes]. Of pictures the shape is (H, W, C)
and the input real [N, C, H, W]; of texts (words, ids of a word, rows of the table) and ids int32 [N, L].
"""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.catalog import Architecture
from edgekit.errors import UnknownNameError

if TYPE_CHECKING:
    from torch import nn


def architectures() -> tuple[str, ...]:
    """The names of all architectures, sorted."""
    return tuple(sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py") if path.stem != "blocks"))


def build(architecture: Architecture | str, shape: tuple[int, ...], classes: int) -> nn.Module:
    """A freshly initialised network for inputs of ``shape``, which is a contract's: for images (H, W, C).

    Raises:
        UnknownNameError: there is no such architecture, or it has no such argument.
    """
    chosen = Architecture(architecture) if isinstance(architecture, str) else architecture
    known = arguments_of(Architecture(chosen.name))
    for argument in chosen.arguments:
        if argument not in known:
            raise UnknownNameError(f"argument of {chosen.name}", argument, known)
    return _network(chosen.name)(shape, classes, **chosen.arguments)


def arguments_of(architecture: Architecture) -> dict[str, Any]:
    """All arguments that an architecture is built with, those included that it does not name.

    Raises:
        UnknownNameError: there is no such architecture.
    """
    parameters = list(inspect.signature(_network(architecture.name)).parameters.values())[2:]
    return {**{one.name: one.default for one in parameters}, **architecture.arguments}


def _network(name: str) -> type[nn.Module]:
    if name not in architectures():
        raise UnknownNameError("architecture", name, architectures())
    module = importlib.import_module(f"edgekit.zoo.{name}")
    network: type[nn.Module] = getattr(module, "".join(part.capitalize() for part in name.split("_")))
    return network
