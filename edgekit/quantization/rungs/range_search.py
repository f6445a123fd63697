"""Which range method suits which tensor, measured instead of guessed.

Each method's rounding of a tensor is tried where the tensor is read: the operators that read it run once with the float
values and once with the rounded ones, and the method that moves their results least is taken. That is judged on
calibration images that the ranges were not made from, for all tensors and methods in one run of one graph.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgekit.console import progress
from edgekit.data.intake import Feed
from edgekit.errors import UnknownNameError
from edgekit.graph.draft import Draft
from edgekit.graph.messages import make_node, readers_of, types_of
from edgekit.quantization.calibrate import RealInputs, ahead, calibrate, give_back_memory, input_names, open_simulation
from edgekit.quantization.histogram import Histogram
from edgekit.quantization.ranges import METHODS, Range
from edgekit.quantization.rounding import add_rounding
from edgekit.quantization.tensor_groups import Group, affines
from edgekit.scales import Quantization, range_quantization

if TYPE_CHECKING:
    from onnx import ModelProto

AUTO = "auto"
RANGE_METHODS = (AUTO, *METHODS)
HELD_OUT_SHARE = 1 / 4
JUDGES = (6, 12)
"""Held-out images that decide, of usual size and small ones."""

_Ranges = Mapping[str, Sequence[Range]]
"""Range method -> the range of each group."""


@dataclass(frozen=True)
class RangeChoice:
    """The scale of every stored tensor and the method behind each group's.

    ``methods`` names groups by their first tensor. ``readers_db`` holds, for each method that was tried on a group, the
    signal-to-noise ratio in dB of what its readers compute; it is empty where one method was asked for.
    """

    affines: Mapping[str, Quantization]
    methods: Mapping[str, str]
    readers_db: Mapping[str, Mapping[str, float]]


def choose_ranges(model: ModelProto, groups: Sequence[Group], inputs: RealInputs, method: str = AUTO) -> RangeChoice:
    """Calibrate a prepared float model over ``inputs`` and choose its ranges by ``method`` (of RANGE_METHODS).

    Raises:
        DataError: there are no inputs.
        ModelError: an activation is not finite.
    """
    if method not in RANGE_METHODS:
        raise UnknownNameError("range method", method, RANGE_METHODS)
    tensors = [name for group in groups for name in group.tensors]
    if method != AUTO:
        return _choice(groups, [method] * len(groups), _ranges(groups, calibrate(model, tensors, inputs), [method]))
    seen, held = inputs.parted(HELD_OUT_SHARE)
    ranges = _ranges(groups, calibrate(model, tensors, seen), METHODS)
    noise = _reader_noise(model, groups, ranges, held.few(JUDGES))
    chosen = [min(row.items(), key=lambda item: item[1])[0] for row in noise]
    choice = _choice(groups, chosen, ranges)
    measured = {
        group.tensors[0]: {name: round(-10 * math.log10(ratio), 2) for name, ratio in row.items() if ratio > 0}
        for group, row in zip(groups, noise, strict=True)
        if group.fixed is None
    }
    return RangeChoice(choice.affines, choice.methods, measured)


def _reader_noise(
    model: ModelProto, groups: Sequence[Group], ranges: _Ranges, inputs: RealInputs
) -> list[dict[str, float]]:
    """For each group and method, the noise over signal in what the readers of its tensors compute."""
    trials = _Trials(model)
    for index, group in enumerate(groups):
        tried: dict[Quantization, str] = {}
        for method in METHODS:
            affine = range_quantization(*ranges[method][index])
            if group.fixed is None and affine not in tried:
                tried[affine] = method
                for name in group.tensors:
                    trials.add(name, affine, (index, method))
    totals = trials.run(inputs)
    noise: list[dict[str, float]] = [{} for _ in groups]
    for (index, method), ratio in totals.items():
        noise[index][method] = ratio
    # A method whose range equals an earlier one's is not tried again; a group that is not free takes any.
    return [row or {next(iter(METHODS)): 0.0} for row in noise]


class _Trials:
    """One graph that computes every reader of a tensor again with the tensor rounded, and by how much it moves."""

    def __init__(self, model: ModelProto) -> None:
        from onnx import TensorProto

        self.draft = Draft.from_model(model)
        self.readers = readers_of(model.graph.node)
        self.inputs = input_names(model)
        self.real = {name for name, kind in types_of(model.graph).items() if kind.elem_type == TensorProto.FLOAT}
        self.signals: dict[str, str] = {}
        self.moved: list[tuple[tuple[int, str], str, str]] = []

    def add(self, name: str, affine: Quantization, key: tuple[int, str]) -> None:
        """Try one scale for one tensor; its noise is added up under ``key``."""
        rounded = add_rounding(self.draft, name, affine, f"{name}/{key[1]}")
        if self.draft.is_output(name):
            self._compare(name, rounded, key)
        for position, reader in enumerate(self.readers.get(name, ())):
            if not self.real.issuperset(reader.output):
                continue
            copy = deepcopy(reader)
            copy.name = ""
            copy.input[:] = [rounded if source == name else source for source in reader.input]
            copy.output[:] = [f"{rounded}/{position}/{target}" for target in reader.output]
            self.draft.add(copy)
            for expected, found in zip(reader.output, copy.output, strict=True):
                self._compare(expected, found, key)

    def run(self, inputs: RealInputs) -> dict[tuple[int, str], float]:
        """The noise over signal of each key, over all images."""
        outputs = [*self.signals.values(), *(moved for _, _, moved in self.moved)]
        if not outputs:
            return {}
        self.draft.watch(outputs)
        give_back_memory()
        session = open_simulation(self.draft.to_model())

        def powers(feed: Feed) -> NDArray[np.float64]:
            return np.asarray(session.run(outputs, dict(zip(self.inputs, feed, strict=True))), np.float64)

        sums = np.zeros(len(outputs))
        with progress("choosing ranges", len(inputs)) as bar:
            for done, found in enumerate(ahead(powers, inputs), start=1):
                sums += found
                bar.update(done)
        power = dict(zip(outputs, sums, strict=True))
        ratios: dict[tuple[int, str], float] = {}
        for key, expected, moved in self.moved:
            ratios[key] = ratios.get(key, 0.0) + power[moved] / max(power[self.signals[expected]], 1e-30)
        return ratios

    def _compare(self, expected: str, found: str, key: tuple[int, str]) -> None:
        if expected not in self.signals:
            self.signals[expected] = self._power(expected)
        difference = f"{found}/difference"
        self.draft.add(make_node("Sub", [found, expected], [difference]))
        self.moved.append((key, expected, self._power(difference)))

    def _power(self, name: str) -> str:
        self.draft.add(make_node("ReduceSumSquare", [name], [f"{name}/power"], keepdims=0))
        return f"{name}/power"


def _ranges(groups: Sequence[Group], histograms: Mapping[str, Histogram], methods: Iterable[str]) -> _Ranges:
    return {method: [group.range(method, histograms) for group in groups] for method in methods}


def _choice(groups: Sequence[Group], methods: Sequence[str], ranges: _Ranges) -> RangeChoice:
    """The scales that follow when group i uses ``methods[i]``."""
    chosen = [ranges[method][index] for index, method in enumerate(methods)]
    named = {group.tensors[0]: method for group, method in zip(groups, methods, strict=True) if group.fixed is None}
    return RangeChoice(affines(groups, chosen), named, {})
