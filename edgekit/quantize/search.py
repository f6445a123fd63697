"""Which range method suits which tensor, measured instead of guessed.

The methods are tried on the whole network first. Then, group by group in graph order, each other method takes the
place of the best one, and stays if the network's outputs come closer to the float ones. Distances are measured on
calibration images that the ranges were not made from.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgekit.console import progress
from edgekit.errors import UnknownNameError
from edgekit.evaluate.statistics import signal_to_noise_db
from edgekit.quantize.calibrate import RealInputs, calibrate, open_session
from edgekit.quantize.histogram import Histogram
from edgekit.quantize.plan import Plan
from edgekit.quantize.qdq import insert_qdq
from edgekit.quantize.ranges import METHODS, Range
from edgekit.quantize.scheme import Group, affines
from edgekit.quantize.spec import Affine

if TYPE_CHECKING:
    from onnx import ModelProto

AUTO = "auto"
RANGE_METHODS = (AUTO, *METHODS)
HELD_OUT_SHARE = 1 / 4
MAX_INFERENCES = 8192
"""Of the quantized network while it is searched: a large network is judged on fewer images."""
MIN_GAIN_DB = 0.1
"""A smaller gain on the held-out images is taken for chance."""

_Ranges = Mapping[str, Sequence[Range]]
"""Range method -> the range of each group."""


@dataclass(frozen=True)
class RangeChoice:
    """The scale of every stored tensor, the method behind each group's, and how far the outputs are from float.

    ``methods`` names groups by their first tensor. ``whole`` holds each method's signal-to-noise ratio in dB when the
    whole network uses it, ``sqnr_db`` that of the choice, both on held-out calibration images; they are empty and None
    where one method was asked for and nothing was measured.
    """

    affines: Mapping[str, Affine]
    methods: Mapping[str, str]
    whole: Mapping[str, float]
    sqnr_db: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        tensors = {name: asdict(affine) for name, affine in self.affines.items()}
        measured = {name: round(value, 4) for name, value in self.whole.items() if math.isfinite(value)}
        if self.sqnr_db is not None and math.isfinite(self.sqnr_db):
            measured["chosen"] = round(self.sqnr_db, 4)
        return {"tensors": tensors, "methods": dict(self.methods), "held_out_sqnr_db": measured}


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
    return _Search(model, groups, _ranges(groups, calibrate(model, tensors, seen), METHODS), held).run()


class _Search:
    def __init__(self, model: ModelProto, groups: Sequence[Group], ranges: _Ranges, held: RealInputs) -> None:
        self.model, self.groups, self.ranges = model, groups, ranges
        self.free = [index for index, group in enumerate(groups) if group.fixed is None]
        self.trials = len(METHODS) + len(self.free) * (len(METHODS) - 1)
        self.images = held.first(max(1, MAX_INFERENCES // self.trials))
        self.reference = self._outputs(model, optimize=True)
        self.measured: dict[tuple[Affine, ...], float] = {}

    def run(self) -> RangeChoice:
        with progress("choosing ranges", self.trials) as bar:
            whole = {}
            for method in METHODS:
                whole[method] = self._measure([method] * len(self.groups))
                bar.update(len(whole))
            best = max(whole, key=lambda method: whole[method])
            others = [method for method in METHODS if method != best]
            chosen, score = [best] * len(self.groups), whole[best]
            for done, (index, method) in enumerate(product(self.free, others), start=1 + len(whole)):
                candidate = [*chosen[:index], method, *chosen[index + 1 :]]
                if (measured := self._measure(candidate)) > score + MIN_GAIN_DB:
                    chosen, score = candidate, measured
                bar.update(done, f"{score:.1f} dB")
        return replace(_choice(self.groups, chosen, self.ranges), whole=whole, sqnr_db=score)

    def _measure(self, methods: Sequence[str]) -> float:
        """SQNR of the outputs with these methods; equal scales are measured once."""
        scales = _choice(self.groups, methods, self.ranges).affines
        key = tuple(scales.values())
        if key not in self.measured:
            outputs = self._outputs(insert_qdq(self.model, Plan(scales), "float32"), optimize=False)
            self.measured[key] = signal_to_noise_db(self.reference, outputs)
        return self.measured[key]

    def _outputs(self, model: ModelProto, optimize: bool) -> NDArray[np.float32]:
        session = open_session(model, optimize)
        name = model.graph.input[0].name
        rows = [np.concatenate([out.reshape(-1) for out in session.run(None, {name: image})]) for image in self.images]
        return np.stack(rows)


def _ranges(groups: Sequence[Group], histograms: Mapping[str, Histogram], methods: Iterable[str]) -> _Ranges:
    return {method: [group.range(method, histograms) for group in groups] for method in methods}


def _choice(groups: Sequence[Group], methods: Sequence[str], ranges: _Ranges) -> RangeChoice:
    """The scales that follow when group i uses ``methods[i]``."""
    chosen = [ranges[method][index] for index, method in enumerate(methods)]
    named = {group.tensors[0]: method for group, method in zip(groups, methods, strict=True) if group.fixed is None}
    return RangeChoice(affines(groups, chosen), named, {})
