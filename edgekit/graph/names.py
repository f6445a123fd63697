"""Names cost bytes: inner values of a graph get the shortest ones, inputs and outputs keep theirs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, product
from string import ascii_lowercase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto


def with_short_names(model: ModelProto) -> ModelProto:
    """A copy of a model without subgraphs: inner values have names of a letter or two, nodes none."""
    from onnx import ModelProto as Proto

    result = Proto()
    result.CopyFrom(model)
    graph = result.graph
    kept = {value.name for value in (*graph.input, *graph.output)}
    fresh = (name for name in _names() if name not in kept)
    renamed = {name: name for name in ("", *kept)}
    del graph.value_info[:]
    for item in graph.initializer:
        if item.name not in renamed:
            renamed[item.name] = next(fresh)
        item.name = renamed[item.name]
    for node in graph.node:
        node.name = ""
        node.doc_string = ""
        for names in (node.input, node.output):
            for position, name in enumerate(names):
                if name not in renamed:
                    renamed[name] = next(fresh)
                names[position] = renamed[name]
    return result


def _names() -> Iterator[str]:
    return ("".join(letters) for length in count(1) for letters in product(ascii_lowercase, repeat=length))
