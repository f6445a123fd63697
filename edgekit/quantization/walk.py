"""A walk through two networks at once, the float one and the quantized one, layer after layer over the same images.

What reaches a layer in each is the material for correcting its bias, rounding its weights, or choosing its ranges. Only
the values at a few cuts of the graph are kept, within a budget of memory; the rest is computed again from the last cut.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from edgekit.graph.draft import Draft
from edgekit.graph.messages import constants_of, sizes_of, types_of
from edgekit.operators import row_of
from edgekit.quantization.calibrate import RealInputs, Reals, ahead, give_back_memory, input_names, open_simulation
from edgekit.quantization.rounding import add_rounding
from edgekit.scales import Quantization

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TypeProto

Values = dict[str, Reals]
Result = TypeVar("Result")
BUDGET = 128 << 20
"""Bytes that the values at a cut may take, for all images and both networks."""


@dataclass(frozen=True)
class Segment:
    """Nodes ``start`` to ``end`` of a graph, and the values that enter and leave it."""

    start: int
    end: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


class Walk:
    """Both networks at one place of the graph.

    ``constants`` and ``affines`` are those of the quantized network; they are changed as the walk goes on, and what
    lies ahead sees the change.
    """

    def __init__(self, model: ModelProto, affines: Mapping[str, Quantization], inputs: RealInputs) -> None:
        give_back_memory()
        self.nodes: list[NodeProto] = list(model.graph.node)
        self.reals = constants_of(model)
        self.constants = dict(self.reals)
        self.affines = dict(affines)
        self.model, self.inputs = model, inputs
        self.results = {value.name for value in model.graph.output}
        self.readers: dict[str, int] = {}
        for position, node in enumerate(self.nodes):
            self.readers.update(dict.fromkeys(node.input, position))
        self._types = types_of(model.graph)
        self._cut = 0
        self._kept: deque[tuple[Values, Values]] | None = None
        self._exact: tuple[int, Sequence[Values]] = (0, ())  # a place that was looked at, the float network's values
        self._bytes = _bytes_of_values(model)

    def segments(self) -> list[Segment]:
        """The graph cut before each operator with weights; the first segment has none before its own."""
        starts = [index for index, node in enumerate(self.nodes) if row_of(node.op_type).weights]
        cuts = sorted({0, *starts, len(self.nodes)})
        return [self.segment(start, end) for start, end in pairwise(cuts)]

    def segment(self, start: int, end: int) -> Segment:
        """The nodes from ``start`` to before ``end``."""
        nodes = self.nodes[start:end]
        made = {name for node in nodes for name in node.output}
        read = dict.fromkeys(name for node in nodes for name in node.input if name)
        inputs = tuple(name for name in read if name not in made and name not in self.reals)
        kept = tuple(name for node in nodes for name in node.output if name and self._is_needed(name, end))
        return Segment(start, end, inputs, kept)

    def values_before(self, position: int) -> Iterator[tuple[Values, Values]]:
        """For each image, the values (float network, quantized network) that nodes from ``position`` on read."""
        return self._at_cut() if position == self._cut else self._after(position, self._at_cut())

    def keep(self, position: int) -> None:
        """Make ``position`` the cut to go on from, if its values fit into the budget."""
        if self._fits(position):
            # What was kept before makes room as it is read.
            self._kept, self._cut = deque(self._after(position, self._at_cut(forget=True))), position

    def all_values(self, names: Sequence[str], look: Callable[[tuple[Values, Values]], Result]) -> Iterator[Result]:
        """For each image, what ``look`` finds in the values of the tensors ``names`` anywhere in the graph."""
        made = {name for node in self.nodes for name in node.output}
        whole = replace(self.segment(0, len(self.nodes)), outputs=tuple(name for name in names if name in made))
        passed = set(names)
        exact, rounded = self._exactly(whole, passed), self._as_rounded(whole, passed)
        # One by one: every activation of both networks is there at once.
        return (look((exact(real), rounded(stored))) for real, stored in self._at_cut())

    def _after(self, position: int, pairs: Iterator[tuple[Values, Values]]) -> Iterator[tuple[Values, Values]]:
        """For each of the pairs at the cut, the values that nodes from ``position`` on read.

        Those of the float network do not change: seen before, they are taken from there.
        """
        live = self._live(position)
        found = self.segment(self._cut, position)
        between = replace(found, outputs=tuple(name for name in found.outputs if name in live))
        place, known = self._exact
        rounded = self._as_rounded(between, live)
        if place == position and known:
            yield from ahead(lambda item: (item[1], rounded(item[0][1])), zip(pairs, known, strict=True))
            return
        self._exact, known = (0, ()), ()  # makes room
        exact, seen, fits = self._exactly(between, live), list[Values](), self._fits(position)
        for pair in ahead(lambda before: (exact(before[0]), rounded(before[1])), pairs):
            if fits:
                seen.append(pair[0])
            yield pair
        self._exact = (position, seen)

    def _exactly(self, segment: Segment, passed: set[str]) -> Callable[[Values], Values]:
        """From the float network's values at the cut to what a segment gives, and those that are ``passed`` on."""
        return self._through(segment, passed, self.reals, {})

    def _as_rounded(self, segment: Segment, passed: set[str]) -> Callable[[Values], Values]:
        """The same of the quantized network."""
        return self._through(segment, passed, self.constants, self.affines)

    def _through(
        self,
        segment: Segment,
        passed: set[str],
        constants: Mapping[str, NDArray[np.float32]],
        affines: Mapping[str, Quantization],
    ) -> Callable[[Values], Values]:
        nodes = self.nodes[segment.start : segment.end]
        run = _Run(self.model, self._types, nodes, segment, constants, affines)

        def after(values: Values) -> Values:
            kept = {name: value for name, value in values.items() if name in passed}
            return kept | dict(zip(segment.outputs, run(values), strict=True))

        return after

    def _fits(self, position: int) -> bool:
        """Whether the budget holds what nodes from ``position`` on read, of all images and both networks."""
        made = {*input_names(self.model), *(name for node in self.nodes[:position] for name in node.output)}
        each = sum(self._bytes.get(name, 0) for name in made & self._live(position))
        return 2 * each * len(self.inputs) <= BUDGET

    def _live(self, position: int) -> set[str]:
        """The values that nodes from ``position`` on read, and results of the network."""
        return {name for name in self.readers if self._is_needed(name, position)} | self.results

    def _is_needed(self, name: str, position: int) -> bool:
        return self.readers.get(name, -1) >= position or name in self.results

    def _at_cut(self, forget: bool = False) -> Iterator[tuple[Values, Values]]:
        if self._kept is not None:
            if not forget:
                yield from self._kept
            while forget and self._kept:
                yield self._kept.popleft()
            return
        names = input_names(self.model)
        for feed in self.inputs:
            real = dict(zip(names, feed, strict=True))
            yield real, {name: self._rounded(name, value) for name, value in real.items()}

    def _rounded(self, name: str, value: Reals) -> Reals:
        affine = self.affines.get(name)
        return value if affine is None else affine.dequantize(affine.quantize(value))


class _Run:
    """A segment in ONNX Runtime: from its inputs to its outputs, stored tensors rounded where ``affines`` says so."""

    def __init__(
        self,
        model: ModelProto,
        types: Mapping[str, TypeProto.Tensor],
        nodes: Sequence[NodeProto],
        segment: Segment,
        constants: Mapping[str, NDArray[np.float32]],
        affines: Mapping[str, Quantization],
    ) -> None:
        from onnx import ModelProto as Proto
        from onnx import TensorProto, ValueInfoProto, helper

        used = {name for node in nodes for name in node.input}
        stored = {name: constants[name] for name in sorted(used & set(constants))}
        part = Draft((), stored, [], [], Proto(opset_import=model.opset_import))
        part.template.graph.name = "segment"
        renamed: dict[str, str] = {}
        for node in nodes:
            copy = deepcopy(node)
            copy.input[:] = [renamed.get(name, name) for name in node.input]
            part.add(copy)
            for name in node.output:
                if name in affines:
                    renamed[name] = add_rounding(part, name, affines[name])

        def described(name: str) -> ValueInfoProto:
            kind = types[name].elem_type if name in types else TensorProto.FLOAT
            return helper.make_tensor_value_info(renamed.get(name, name), kind, None)

        part.inputs = [described(name) for name in segment.inputs]
        part.set_outputs(described(name) for name in segment.outputs)
        self.inputs, self.outputs = segment.inputs, [value.name for value in part.outputs]
        self.session = open_simulation(part.to_model())

    def __call__(self, values: Values) -> list[Reals]:
        found: list[Reals] = self.session.run(self.outputs, {name: values[name] for name in self.inputs})
        return found


def _bytes_of_values(model: ModelProto) -> dict[str, int]:
    """The size of each value of a prepared graph, whose shapes are fixed."""
    from onnx import helper

    sizes = sizes_of(model.graph)
    return {
        name: math.prod(sizes[name]) * helper.tensor_dtype_to_np_dtype(kind.elem_type).itemsize
        for name, kind in types_of(model.graph).items()
    }
