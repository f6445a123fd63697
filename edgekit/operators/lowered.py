"""Records of a lowered model: TFLite's operators on numbered tensors, as a back end writes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgekit.scales import Array, Quantization

ABSENT = -1
"""In place of the index of a tensor that an operator does without."""


@dataclass(frozen=True)
class TensorRecord:
    """A tensor: shape, numpy type name, constant data or None, quantization or None, name (empty: not written)."""

    shape: tuple[int, ...]
    dtype: str
    data: Array | None = None
    quant: Quantization | None = None
    name: str = ""


@dataclass(frozen=True)
class Options:
    """The builtin options of an operator: the schema's table name and its fields, named as in the schema's code."""

    table: str
    fields: Mapping[str, int | float | bool] = field(default_factory=dict)


@dataclass(frozen=True)
class OperatorRecord:
    """An operator by its builtin name, e.g. ``CONV_2D``; inputs and outputs are tensor indices, or ABSENT.

    ``node`` is the first output of the ONNX node that it belongs to, of which no file says anything.
    """

    code: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Options | None = None
    version: int = 1
    node: str = field(default="", compare=False)


@dataclass
class ModelRecord:
    """One subgraph with its tensors and operators, and named metadata buffers."""

    tensors: list[TensorRecord] = field(default_factory=list)
    operators: list[OperatorRecord] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    metadata: dict[str, bytes] = field(default_factory=dict)
