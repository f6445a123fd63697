"""Names cost bytes: inner values of a graph get the shortest ones, inputs and outputs keep theirs."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from itertools import count, product
from string import ascii_letters
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto


def with_short_names(model: ModelProto) -> ModelProto:
    """A copy of a model without subgraphs: inner values have names of a letter or two, nodes none.

    The values that are named most often have the shortest names.
    """
    result = deepcopy(model)
    graph = result.graph
    kept = {"", *(value.name for value in (*graph.input, *graph.output))}
    named = Counter(item.name for item in graph.initializer)
    for node in graph.node:
        named.update((*node.input, *node.output))
    inner = (name for name, _ in named.most_common() if name not in kept)
    letters = ("".join(word) for length in count(1) for word in product(ascii_letters, repeat=length))
    fresh = (name for name in letters if name not in kept)
    renamed = dict(zip(inner, fresh, strict=False)) | {name: name for name in kept}
    del graph.value_info[:]
    for item in graph.initializer:
        item.name = renamed[item.name]
    for node in graph.node:
        node.name = ""
        node.doc_string = ""
        node.input[:] = [renamed[name] for name in node.input]
        node.output[:] = [renamed[name] for name in node.output]
    return result
