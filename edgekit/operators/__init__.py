"""The ONNX operators of a prepared model: one row each, with its lowering, in the file of its family."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module

from edgekit.errors import UnsupportedError
from edgekit.operators.lowering import Lowering
from edgekit.operators.nodes import Node
from edgekit.operators.operator import Operator

FAMILIES = tuple(
    import_module(f"{__name__}.{family}")
    for family in ("activations", "composites", "conversions", "convolution", "elementwise", "indexing", "layout",
                   "matmul", "normalization", "padding", "pooling", "reductions", "resize", "slices")
)  # fmt: skip


def _refuse(_: Lowering, node: Node) -> None:
    raise UnsupportedError(
        f"{node} has no TFLite form; write that layer with operators of docs/operators.md, end the file before it "
        "(export --cut-at), or keep to ONNX."
    )


UNKNOWN = Operator("", _refuse)
OPERATORS: Mapping[str, Operator] = {row.name: row for family in FAMILIES for row in family.OPERATORS}


def row_of(name: str) -> Operator:
    """What is known of an operator; nothing of one that is not in the table."""
    return OPERATORS.get(name, UNKNOWN)


def operators_that(can: Callable[[Operator], object]) -> frozenset[str]:
    """The names of the operators whose row answers with something that is true."""
    return frozenset(row.name for row in OPERATORS.values() if can(row))


ACTIVATIONS = operators_that(lambda row: row.is_activation)
