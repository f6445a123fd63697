"""A graph under work: plain lists and dictionaries over ONNX messages, so that a pass reads like what it does."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.errors import UnsupportedError
from edgekit.graph.messages import Array, all_inputs, complaint, constants_of, in_order, make_node

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, ValueInfoProto

IR_VERSION = 10
SHAPE_DATA_BYTES = 4096
"""Constants up to this size may be shapes and are given to shape inference with their values."""


class Draft:
    """An ONNX graph that passes edit in place: nodes, constants as arrays, inferred types and shapes.

    ``shapes`` maps each value to its dimensions, -1 where one is not known; a value of unknown rank is not in it.
    ``values`` are the descriptions of inner values that the model gets with it; those that are gone are left out. Who
    computes and who reads a value is looked up, not searched for, so nodes are edited by this class's methods only.
    """

    def __init__(
        self,
        nodes: Iterable[NodeProto],
        constants: dict[str, Array],
        inputs: list[ValueInfoProto],
        outputs: list[ValueInfoProto],
        template: ModelProto,
    ) -> None:
        self.constants = constants
        self.inputs, self.template = inputs, template
        self.outputs: list[ValueInfoProto] = []
        self.values: list[ValueInfoProto] = []
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.types: dict[str, int] = {}
        self.set_outputs(outputs)
        self._names = {*constants, *(value.name for value in inputs)}
        self._nodes: dict[int, NodeProto] = {}
        self._makers: dict[str, NodeProto] = {}
        self._readers: dict[str, dict[int, NodeProto]] = {}
        for node in nodes:
            self.add(node)

    @classmethod
    def from_model(cls, model: ModelProto) -> Draft:
        """Take a model apart; initializers are constants, also where an old file lists them as inputs."""
        graph = model.graph
        if graph.sparse_initializer:
            raise UnsupportedError("The model holds sparse weights; export it with dense ones.")
        constants = constants_of(model)
        inputs = [value for value in graph.input if value.name not in constants]
        template = type(model)(
            producer_name=model.producer_name,
            producer_version=model.producer_version,
            opset_import=model.opset_import,
            metadata_props=model.metadata_props,
            functions=model.functions,
        )
        template.graph.name = graph.name or "model"
        draft = cls(deepcopy(list(graph.node)), constants, deepcopy(inputs), deepcopy(list(graph.output)), template)
        draft.values = list(graph.value_info)
        return draft

    @property
    def nodes(self) -> list[NodeProto]:
        """All nodes, each behind those whose results it reads."""
        return in_order(self._nodes.values(), self._makers)

    def to_model(self, weights: bool = True) -> ModelProto:
        """Put the model together again; without ``weights`` large constants become inputs of the same shape."""
        from onnx import helper, numpy_helper

        model = type(self.template)()
        model.CopyFrom(self.template)
        model.ir_version = IR_VERSION
        model.graph.node.extend(self.nodes)
        model.graph.input.extend(self.inputs)
        model.graph.output.extend(self.outputs)
        model.graph.value_info.extend(value for value in self.values if value.name in self._makers)
        for name, array in self.constants.items():
            if weights or array.nbytes <= SHAPE_DATA_BYTES:
                model.graph.initializer.append(numpy_helper.from_array(np.asarray(array, order="C"), name))
            else:
                element = helper.np_dtype_to_tensor_dtype(array.dtype)
                model.graph.input.append(helper.make_tensor_value_info(name, element, array.shape))
        return model

    def infer(self) -> None:
        """Infer all types and shapes anew, into ``shapes``, ``types`` and ``values``.

        Raises:
            UnsupportedError: the shapes contradict each other.
        """
        from onnx import shape_inference

        self.values = []
        for value in self.outputs:
            value.type.tensor_type.ClearField("shape")
        try:
            inferred = shape_inference.infer_shapes(self.to_model(weights=False), strict_mode=True, data_prop=True)
        except Exception as exc:  # the native inference raises several unrelated types
            reason = complaint(exc)
            raise UnsupportedError(f"The model's shapes do not fit together ({reason}); export it again.") from exc
        self.outputs, self.values = list(inferred.graph.output), list(inferred.graph.value_info)
        described = {value.name: value for value in (*self.inputs, *self.values, *self.outputs)}
        for name, value in described.items():
            tensor = value.type.tensor_type
            dims = tensor.shape.dim
            self.types[name] = tensor.elem_type
            if tensor.HasField("shape"):
                self.shapes[name] = tuple(dim.dim_value if dim.HasField("dim_value") else -1 for dim in dims)
        self.shapes.update({name: array.shape for name, array in self.constants.items()})

    def producer(self, name: str) -> NodeProto | None:
        """The node that computes a value; None for inputs and constants."""
        return self._makers.get(name)

    def consumers(self, name: str) -> list[NodeProto]:
        """The nodes that read a value."""
        return list(self._readers.get(name, {}).values())

    def is_output(self, name: str) -> bool:
        """True if the value is a result of the whole model."""
        return name in self._results

    def only_use(self, name: str) -> NodeProto | None:
        """The single node that reads a value which is needed nowhere else, or None."""
        users = self.consumers(name)
        alone = len(users) == 1 and list(users[0].input).count(name) == 1 and not self.is_output(name)
        return users[0] if alone else None

    def own_maker(self, name: str, operators: Collection[str]) -> NodeProto | None:
        """The node, of one of these kinds, that computes a value for one other node alone; None if there is none."""
        maker = self.producer(name)
        is_own = maker is not None and maker.op_type in operators and self.only_use(name) is not None
        return maker if is_own else None

    def constant(self, node: NodeProto, position: int) -> Array | None:
        """The constant that a node reads at an input position, or None."""
        return self.constants.get(node.input[position]) if position < len(node.input) else None

    def computes(self, node: NodeProto, position: int) -> bool:
        """True if a node has an input at a position, and it is not a constant."""
        return position < len(node.input) and node.input[position] not in {"", *self.constants}

    def type_of(self, name: str) -> int | None:
        """ONNX's number for the element type of a value; None if it is not known."""
        from onnx import helper

        if name in self.constants:
            return int(helper.np_dtype_to_tensor_dtype(self.constants[name].dtype))
        return self.types.get(name)

    def is_float(self, name: str) -> bool:
        """Whether a value holds float32."""
        from onnx import TensorProto

        return self.type_of(name) == TensorProto.FLOAT

    def new_name(self, wish: str) -> str:
        """A name that no value of the graph has yet; it is taken from now on."""
        name, number = wish, 0
        while name in self._names:
            number += 1
            name = f"{wish}_{number}"
        self._names.add(name)
        return name

    def add_constant(self, wish: str, array: Array) -> str:
        """Store a constant under a name that is not taken yet; return the name."""
        name = self.new_name(wish)
        self.constants[name] = array
        self.shapes[name] = array.shape
        return name

    def add_integers(self, wish: str, values: Sequence[int]) -> str:
        """Store sizes, axes or the like as a constant of int64 [len(values)]; return its name."""
        return self.add_constant(wish, np.asarray(values, np.int64))

    def holds(self, node: NodeProto) -> bool:
        """True if a node is still part of the graph."""
        return id(node) in self._nodes

    def add(self, node: NodeProto) -> None:
        """Take a node in; its place follows from what it reads."""
        self._nodes[id(node)] = node
        self._makers.update(dict.fromkeys(filter(None, node.output), node))
        self._names.update(node.output)
        for name in all_inputs(node):
            self._readers.setdefault(name, {})[id(node)] = node

    def put(self, operator: str, inputs: Sequence[str], wish: str, shape: Sequence[int], **values: Any) -> str:
        """Add a node that computes a new value of this shape; return its name. ``values`` are the attributes."""
        name = self.new_name(wish)
        self.shapes[name] = tuple(shape)
        self.add(make_node(operator, inputs, [name], **values))
        return name

    def prepend(self, node: NodeProto) -> None:
        """Take a node in before all others."""
        self._nodes = {id(node): node, **self._nodes}
        self.add(node)

    def remove(self, node: NodeProto) -> None:
        """Take a node out."""
        del self._nodes[id(node)]
        for name in node.output:
            if self._makers.get(name) is node:
                del self._makers[name]
        for name in all_inputs(node):
            self._readers[name].pop(id(node), None)

    def replace(self, node: NodeProto, *replacements: NodeProto) -> None:
        """Put nodes in the place of one."""
        self.remove(node)
        for replacement in replacements:
            self.add(replacement)

    def set_inputs(self, node: NodeProto, names: Sequence[str]) -> None:
        """Let a node read other values."""
        for name in all_inputs(node):
            self._readers[name].pop(id(node), None)
        node.input[:] = names
        self.add(node)

    def set_input(self, node: NodeProto, position: int, name: str) -> None:
        """Let a node read another value at one input position, which may be the next one."""
        self.set_inputs(node, [*node.input[:position], name, *node.input[position + 1 :]])

    def redirect(self, old: str, new: str) -> None:
        """Let all nodes, and the results of the model, take another value in place of one."""
        for node in self.consumers(old):
            self.set_inputs(node, [new if name == old else name for name in node.input])
        for value in self.outputs:
            if value.name == old:
                value.name = new
        self.set_outputs(self.outputs)

    def set_outputs(self, values: Iterable[ValueInfoProto]) -> None:
        """Let these values be the results of the model."""
        self.outputs = list(values)
        self._results = {value.name for value in self.outputs}

    def watch(self, names: Iterable[str]) -> None:
        """Let float values, of whatever shape, be the results of the model."""
        from onnx import TensorProto, helper

        self.set_outputs(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)

    def bypass(self, node: NodeProto, source: str) -> bool:
        """Take out a node whose first output equals the value ``source``; True if that was possible.

        A result of the model keeps its name: then the node that computes ``source`` writes under that name instead.
        """
        target = node.output[0]
        if not self.is_output(target):
            self.redirect(target, source)
            self.remove(node)
            return True
        maker = self.producer(source)
        if maker is None or self.is_output(source):
            return False
        self.remove(node)
        self.remove(maker)
        maker.output[list(maker.output).index(source)] = target
        self.add(maker)
        self.redirect(source, target)
        if source in self.shapes:
            self.shapes[target] = self.shapes[source]
        return True

    def drop_unread(self, name: str | None) -> None:
        """Forget the node that computes a value which nothing needs any more, and so on upwards."""
        pending = [name]
        while pending:
            value = pending.pop()
            maker = self._makers.get(value or "")
            if maker is None or any(self._readers.get(item) or self.is_output(item) for item in maker.output):
                continue
            self.remove(maker)
            pending.extend(maker.input)

    def drop_unused(self) -> None:
        """Forget nodes and constants that no result depends on."""
        needed = set(self._results)
        for node in reversed(self.nodes):
            if needed.intersection(node.output):
                needed.update(all_inputs(node))
            else:
                self.remove(node)
        self.constants = {name: array for name, array in self.constants.items() if name in needed}


Pass = Callable[[Draft, "NodeProto"], bool]
"""Looks at one node and edits the draft around it; True if it changed anything."""


def run_passes(draft: Draft, passes: Collection[Pass]) -> None:
    """Apply each pass to every node until none changes anything."""
    changed = True
    while changed:
        changed = False
        nodes = draft.nodes
        for rewrite in passes:
            for node in nodes:
                if draft.holds(node) and rewrite(draft, node):
                    changed = True
