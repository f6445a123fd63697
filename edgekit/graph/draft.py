"""A graph under work: plain lists and dictionaries over ONNX messages, so that a pass reads like what it does."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import UnsupportedError

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, ValueInfoProto

Array = NDArray[Any]
IR_VERSION = 10
SHAPE_DATA_BYTES = 4096
"""Constants up to this size may be shapes and are given to shape inference with their values."""


@dataclass
class Draft:
    """An ONNX graph that passes edit in place: nodes in order, constants as arrays, inferred types and shapes.

    ``shapes`` maps each value to its dimensions, -1 where one is not known; a value of unknown rank is not in it.
    """

    nodes: list[NodeProto]
    constants: dict[str, Array]
    inputs: list[ValueInfoProto]
    outputs: list[ValueInfoProto]
    template: ModelProto
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    types: dict[str, int] = field(default_factory=dict)

    @classmethod
    def from_model(cls, model: ModelProto) -> Draft:
        """Take a model apart; initializers are constants, also where an old file lists them as inputs."""
        from onnx import numpy_helper

        graph = model.graph
        if graph.sparse_initializer:
            raise UnsupportedError("The model holds sparse weights; export it with dense ones.")
        constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        inputs = [value for value in graph.input if value.name not in constants]
        template = type(model)(
            producer_name=model.producer_name,
            producer_version=model.producer_version,
            opset_import=model.opset_import,
            metadata_props=model.metadata_props,
            functions=model.functions,
        )
        template.graph.name = graph.name or "model"
        return cls(deepcopy(list(graph.node)), constants, deepcopy(inputs), deepcopy(list(graph.output)), template)

    @property
    def opset(self) -> int:
        """The version of the standard operator set."""
        return opset_version(self.template)

    def to_model(self, values: Iterable[ValueInfoProto] = (), weights: bool = True) -> ModelProto:
        """Put the model together again; without ``weights`` large constants become inputs of the same shape."""
        from onnx import helper, numpy_helper

        model = type(self.template)()
        model.CopyFrom(self.template)
        model.ir_version = IR_VERSION
        model.graph.node.extend(self.nodes)
        model.graph.input.extend(self.inputs)
        model.graph.output.extend(self.outputs)
        model.graph.value_info.extend(values)
        for name, array in self.constants.items():
            if weights or array.nbytes <= SHAPE_DATA_BYTES:
                model.graph.initializer.append(numpy_helper.from_array(np.asarray(array, order="C"), name))
            else:
                element = helper.np_dtype_to_tensor_dtype(array.dtype)
                model.graph.input.append(helper.make_tensor_value_info(name, element, array.shape))
        return model

    def infer(self) -> list[ValueInfoProto]:
        """Infer all types and shapes anew, into ``shapes`` and ``types``; return the inner values' descriptions.

        Raises:
            UnsupportedError: the shapes contradict each other.
        """
        from onnx import shape_inference

        for value in self.outputs:
            value.type.tensor_type.ClearField("shape")
        try:
            inferred = shape_inference.infer_shapes(self.to_model(weights=False), strict_mode=True, data_prop=True)
        except Exception as exc:  # the native inference raises several unrelated types
            reason = " ".join(str(exc).split())[:200]
            raise UnsupportedError(f"The model's shapes do not fit together ({reason}); export it again.") from exc
        self.outputs = list(inferred.graph.output)
        described = {value.name: value for value in (*self.inputs, *inferred.graph.value_info, *self.outputs)}
        for name, value in described.items():
            tensor = value.type.tensor_type
            dims = tensor.shape.dim
            self.types[name] = tensor.elem_type
            if tensor.HasField("shape"):
                self.shapes[name] = tuple(dim.dim_value if dim.HasField("dim_value") else -1 for dim in dims)
        self.shapes.update({name: array.shape for name, array in self.constants.items()})
        return list(inferred.graph.value_info)

    def producer(self, name: str) -> NodeProto | None:
        """The node that computes a value; None for inputs and constants."""
        return next((node for node in self.nodes if name in node.output), None)

    def consumers(self, name: str) -> list[NodeProto]:
        """The nodes that read a value."""
        return [node for node in self.nodes if name in node.input]

    def is_output(self, name: str) -> bool:
        """True if the value is a result of the whole model."""
        return any(value.name == name for value in self.outputs)

    def only_use(self, name: str) -> NodeProto | None:
        """The single node that reads a value which is needed nowhere else, or None."""
        users = self.consumers(name)
        alone = len(users) == 1 and list(users[0].input).count(name) == 1 and not self.is_output(name)
        return users[0] if alone else None

    def constant(self, node: NodeProto, position: int) -> Array | None:
        """The constant that a node reads at an input position, or None."""
        return self.constants.get(node.input[position]) if position < len(node.input) else None

    def add_constant(self, wish: str, array: Array) -> str:
        """Store a constant under a name that is not taken yet; return the name."""
        taken = {name for node in self.nodes for name in (*node.input, *node.output)} | set(self.constants)
        name, number = wish, 0
        while name in taken:
            number += 1
            name = f"{wish}_{number}"
        self.constants[name] = array
        return name

    def bypass(self, node: NodeProto, source: str) -> None:
        """Take out a node whose first output equals the value ``source``.

        A result of the model keeps its name: then the node that computes ``source`` writes under that name instead.
        """
        target = node.output[0]
        if not self.is_output(target):
            self._rename_uses(target, source)
        else:
            maker = self.producer(source)
            if maker is None or self.is_output(source):
                return
            maker.output[list(maker.output).index(source)] = target
            self._rename_uses(source, target)
        self.nodes.remove(node)

    def replace(self, node: NodeProto, *replacements: NodeProto) -> None:
        """Put nodes in the place of one."""
        where = self.nodes.index(node)
        self.nodes[where : where + 1] = replacements

    def drop_unused(self) -> None:
        """Forget nodes and constants that no result depends on."""
        needed = {value.name for value in self.outputs}
        kept: list[NodeProto] = []
        for node in reversed(self.nodes):
            if needed.intersection(node.output):
                kept.append(node)
                needed.update(_all_inputs(node))
        self.nodes = kept[::-1]
        self.constants = {name: array for name, array in self.constants.items() if name in needed}

    def _rename_uses(self, old: str, new: str) -> None:
        for node in self.nodes:
            for position, name in enumerate(node.input):
                if name == old:
                    node.input[position] = new


Pass = Callable[[Draft, "NodeProto"], bool]
"""Looks at one node and edits the draft around it; True if it changed anything."""


def run_passes(draft: Draft, passes: Iterable[Pass]) -> None:
    """Apply each pass to every node until none changes anything."""
    passes = tuple(passes)
    changed = True
    while changed:
        changed = False
        for rewrite in passes:
            present = {id(node) for node in draft.nodes}
            for node in list(draft.nodes):
                if id(node) in present and rewrite(draft, node):
                    changed = True
                    present = {id(left) for left in draft.nodes}


def opset_version(model: ModelProto) -> int:
    """The version of the standard operator set that a model asks for."""
    return int(next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")))


def attributes(node: NodeProto) -> dict[str, Any]:
    """A node's attributes as Python values, text as str."""
    from onnx import helper

    values = {item.name: helper.get_attribute_value(item) for item in node.attribute}
    texts = {name: value.decode(errors="replace") for name, value in values.items() if isinstance(value, bytes)}
    return values | texts


def set_attributes(node: NodeProto, **values: Any) -> None:
    """Set attributes of a node; None removes one."""
    from onnx import helper

    kept = [item for item in node.attribute if item.name not in values]
    fresh = [helper.make_attribute(name, value) for name, value in values.items() if value is not None]
    del node.attribute[:]
    node.attribute.extend([*kept, *fresh])


def _all_inputs(node: NodeProto) -> set[str]:
    """What a node reads, including what its subgraphs read from outside."""
    names = set(node.input)
    for item in node.attribute:
        for graph in (item.g, *item.graphs):
            for inner in graph.node:
                names |= _all_inputs(inner)
            names.update(value.name for value in graph.output)
    return names
