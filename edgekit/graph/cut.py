"""Ending a model early: what a file cannot hold, as the choice of boxes behind a detector, is left to the app."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgekit.errors import UnknownNameError, UnsupportedError
from edgekit.graph.draft import Draft
from edgekit.graph.messages import Array, attributes

if TYPE_CHECKING:
    from onnx import NodeProto

NMS_INPUTS = ("at most {:g} boxes of each class", "overlaps up to {:g} IoU", "scores above {:g}")
"""What the third to fifth inputs of NonMaxSuppression say."""


def end_before(draft: Draft, name: str) -> str:
    """Let a model end before one of its nodes: what that node and those behind it read become results.

    Results that do not depend on the node stay.

    Args:
        draft: of a model as it was exported.
        name: of the node, or of a value that it computes.

    Returns:
        What the app is to do with the results, in a sentence.

    Raises:
        UnknownNameError: there is no such node.
        UnsupportedError: nothing is computed before it.
    """
    from onnx import ValueInfoProto

    nodes = draft.nodes
    first = next((node for node in nodes if name and name in (node.name, *node.output)), None)
    if first is None:
        known = [item for node in nodes for item in (node.name, *node.output) if item]
        raise UnknownNameError("node or value", name, known)
    computed, behind = {value.name for value in draft.inputs}, set(first.output)
    left: list[NodeProto] = []
    for node in nodes:
        if node is first or behind.intersection(node.input):
            behind.update(node.output)
            left.append(node)
        elif node.op_type != "Shape" and computed.intersection(node.input):
            computed.update(node.output)
    kept = [value for value in draft.outputs if value.name not in behind]
    ends = [item for item in dict.fromkeys(_read(left)) if item in computed - behind and draft.producer(item)]
    if not ends:
        raise UnsupportedError(f"{first.op_type} '{name}' reads nothing that the model computes; name a later node.")
    sources = " and ".join(f"'{item}'" for item in first.input if item in ends)
    behind_it = ", ".join(dict.fromkeys(node.op_type for node in left if node is not first))
    lost = " and ".join(f"'{value.name}'" for value in draft.outputs if value.name in behind)
    then = f"; {behind_it} follow, up to {lost}" if behind_it else f"; it gives {lost}"
    task = f"{first.op_type} '{name}' is left to the app: it works on {sources}{_details(draft, first)}{then}."
    for node in left:
        draft.remove(node)
    named = {value.name for value in kept}
    draft.set_outputs([*kept, *(ValueInfoProto(name=item) for item in ends if item not in named)])
    draft.drop_unused()
    return task


def _read(nodes: Sequence[NodeProto]) -> list[str]:
    return [name for node in nodes for name in node.input]


def _details(draft: Draft, node: NodeProto) -> str:
    """The numbers that a NonMaxSuppression works with."""
    if node.op_type != "NonMaxSuppression":
        return ""
    numbers = [_constant(draft, name) for name in node.input[2:]]
    said = [text.format(value.item()) for text, value in zip(NMS_INPUTS, numbers, strict=False) if value is not None]
    corners = "centre, width and height" if attributes(node).get("center_point_box") else "two corners"
    return f", boxes as {corners}" + "".join(f", {part}" for part in said)


def _constant(draft: Draft, name: str) -> Array | None:
    """A single number that a model holds, also if a Constant node does."""
    from onnx import numpy_helper

    maker = draft.producer(name)
    value = draft.constants.get(name)
    if maker is not None and maker.op_type == "Constant" and "value" in attributes(maker):
        value = numpy_helper.to_array(attributes(maker)["value"])
    return value if value is not None and value.size == 1 else None
