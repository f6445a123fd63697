"""The operators of a float graph whose weights are quantized, seen as matrices: rows of weights over patches of input.

A convolution is a matrix product over patches: each output channel of a group is a row of weights, and each position of
the output reads one patch of the input, of as many values as the row has.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgekit.graph.draft import Draft
from edgekit.graph.messages import attributes, constants_of
from edgekit.operators import operators_that
from edgekit.operators.operator import Channels

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

Reals = NDArray[np.float32]
ROWS = operators_that(lambda row: row.weights is not None and row.weights.axis == 0)
"""Operators whose output channels are the rows of their weights."""
PASSING = operators_that(lambda row: row.channels == Channels.PASSED)
"""Operators that hand the channels of what they read on as they are, more or less."""


@dataclass(frozen=True)
class WeightedLayer:
    """A Conv or Gemm with constant weights.

    ``position`` is the node's place in the graph, ``weights`` float32 [O, I, ...] as in ONNX, ``bias`` [O] or None.
    """

    node: NodeProto
    position: int
    weights: Reals
    bias: Reals | None

    @property
    def name(self) -> str:
        """The name of the output, by which plans know the layer."""
        return str(self.node.output[0])

    @property
    def weight_name(self) -> str:
        """The initializer that holds the weights."""
        return str(self.node.input[1])

    @property
    def bias_name(self) -> str:
        """The initializer that holds the bias; empty without one."""
        return str(self.node.input[2]) if self.bias is not None else ""

    def give(self, draft: Draft, weights: NDArray[Any] | None, bias: NDArray[Any] | None) -> None:
        """Let the layer's node in a draft of its model read constants of its own, as float32; None leaves one."""
        node = draft.producer(self.name)
        assert node is not None
        for position, kind, value in ((1, "weights", weights), (2, "bias", bias)):
            if value is not None:
                name = draft.add_constant(f"{self.name} {kind}", value.astype(np.float32))
                draft.set_input(node, position, name)

    @cached_property
    def options(self) -> dict[str, Any]:
        """The node's attributes."""
        return attributes(self.node)

    @property
    def groups(self) -> int:
        """The number of groups that read their own input channels."""
        return int(self.options.get("group", 1))

    @property
    def outputs(self) -> int:
        """The number of output channels."""
        return int(self.weights.shape[0])

    @property
    def kernel_size(self) -> int:
        """The number of positions of the kernel."""
        return int(np.prod(self.weights.shape[2:]))

    @property
    def squares(self) -> NDArray[np.float64]:
        """The sum of the squared weights that read each input channel, float64 [C]."""
        weights = self.weights.reshape(self.groups, self.outputs // self.groups, -1, self.kernel_size)
        total: NDArray[np.float64] = np.square(weights, dtype=np.float64).sum(axis=(1, 3)).reshape(-1)
        return total

    @property
    def rows(self) -> Reals:
        """The weights as [groups, outputs per group, inputs per group * kernel size]."""
        return self.weights.reshape(self.groups, self.outputs // self.groups, -1)

    def patches(self, values: Reals, positions: int, generator: np.random.Generator) -> Reals:
        """What some random positions of the output read: float32 [groups, positions, row length].

        Args:
            values: one input of the layer, [1, C, ...] or [rows, K].
            positions: how many; all of them if there are fewer.
            generator: decides which.
        """
        if self.node.op_type == "Gemm":
            rows = values.reshape(1, -1, self.weights.shape[1])
            return rows if rows.shape[1] <= positions else generator.choice(rows, positions, replace=False, axis=1)
        places = self._places(values.shape[2:], positions, generator)
        rank = values.ndim - 2
        pads = self.options.get("pads", [0] * (2 * rank))
        padded = values[0]
        if any(pads):
            padded = np.pad(padded, [(0, 0), *zip(pads[:rank], pads[rank:], strict=True)])
        taken: Reals = padded[(slice(None), *places)]
        found = taken.reshape(self.groups, padded.shape[0] // self.groups, -1, self.kernel_size)
        return np.ascontiguousarray(found.transpose(0, 2, 1, 3).reshape(self.groups, found.shape[2], -1))

    def _places(self, size: tuple[int, ...], positions: int, generator: np.random.Generator) -> list[NDArray[Any]]:
        """For each spatial axis, the padded input's indices [positions, *kernel] that random outputs read."""
        rank, kernel = len(size), self.weights.shape[2:]
        pads, ones = self.options.get("pads", [0] * (2 * rank)), [1] * rank
        strides, dilations = self.options.get("strides", ones), self.options.get("dilations", ones)
        steps = [
            (size[axis] + pads[axis] + pads[rank + axis] - dilations[axis] * (kernel[axis] - 1) - 1) // strides[axis]
            + 1
            for axis in range(rank)
        ]
        total = int(np.prod(steps))
        chosen = generator.choice(total, positions, replace=False) if positions < total else np.arange(total)
        corners = np.unravel_index(chosen, steps)
        offsets = np.indices(kernel)
        return [
            corners[axis].reshape(-1, *ones) * strides[axis] + offsets[axis][None] * dilations[axis]
            for axis in range(rank)
        ]


def readers_of(model: ModelProto, layers: Sequence[WeightedLayer]) -> dict[str, list[WeightedLayer]]:
    """The layers that read each tensor, itself or as a part of a sum, a pool or the like: its errors reach them."""
    by_position = {layer.position: layer for layer in layers}
    readers: dict[str, list[WeightedLayer]] = defaultdict(list)
    for position, node in reversed(list(enumerate(model.graph.node))):
        if position in by_position:
            readers[node.input[0]].append(by_position[position])
        elif node.op_type in PASSING:
            for name in dict.fromkeys(node.input):
                readers[name].extend(readers[node.output[0]])
    return readers


def with_own_constants(model: ModelProto) -> ModelProto:
    """A copy of a prepared float model where each layer has a bias of its own, zeros where it had none.

    Layers may share one in a file; what is fitted to one layer must not change another.
    """
    draft = Draft.from_model(model)
    for layer in weighted_layers(model):
        if layer.bias is None:
            layer.give(draft, None, np.zeros(layer.outputs, np.float32))
        elif len(draft.consumers(layer.bias_name)) > 1:
            layer.give(draft, None, layer.bias)
    draft.drop_unused()
    return draft.to_model()


def with_float_layers(model: ModelProto, exact: ModelProto, floats: Collection[str]) -> ModelProto:
    """A copy of ``model`` whose layers ``floats`` have the weights and biases of ``exact``.

    A corrected bias makes up for integers; a layer that computes in float has none.
    """
    draft = Draft.from_model(model)
    layers = [layer for layer in weighted_layers(model) if layer.name in floats]
    names = {name for layer in layers for name in (layer.weight_name, layer.bias_name)}
    draft.constants.update({name: array for name, array in constants_of(exact).items() if name in names})
    return draft.to_model()


def weighted_layers(model: ModelProto) -> list[WeightedLayer]:
    """The Convs and Gemms of a prepared float model whose output channels are the rows of their weights, in order.

    Those that share their weights, as the steps of a recurrence do, are left out: what is fitted to one would have to
    be stored for each.
    """
    constants = constants_of(model)
    uses = Counter(name for node in model.graph.node for name in node.input)
    layers = []
    for position, node in enumerate(model.graph.node):
        if node.op_type not in ROWS or node.input[1] not in constants or uses[node.input[1]] > 1:
            continue
        bias = constants[node.input[2]] if len(node.input) > 2 and node.input[2] else None
        layers.append(WeightedLayer(node, position, constants[node.input[1]], bias))
    return layers
