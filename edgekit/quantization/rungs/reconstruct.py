"""Weights, biases and ranges of a quantized network fitted to the float one, layer after layer, without labels.

Bias correction (Nagel et al. 2019, section 4.2) makes each channel's mean the float one's, with what the quantized
network has really computed up to there. Learned rounding takes the objective of AdaRound (Nagel et al. 2020): the
squared error of a layer's output, not of its weights, decides which way each weight is rounded. That error is a
quadratic form of the covariance of the layer's inputs, so it is minimised here exactly, one weight after the other,
instead of by gradients through a relaxation. Ranges are chosen by the error that they leave where the values are read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgekit.console import progress
from edgekit.graph.draft import Draft
from edgekit.graph.messages import sizes_of
from edgekit.quantization.calibrate import RealInputs, Reals
from edgekit.quantization.plan import Plan, QuantizedWeights
from edgekit.quantization.rungs.tune_ranges import tuned_ranges
from edgekit.quantization.tensor_groups import Group
from edgekit.quantization.walk import Segment, Walk
from edgekit.quantization.weighted_layers import PASSING, WeightedLayer, readers_of, weighted_layers

if TYPE_CHECKING:
    from onnx import ModelProto

Matrix = NDArray[np.float64]

POSITIONS = 64
"""Places of each image from which a layer's input is taken."""
SWEEPS = 4
DAMPING = 1e-3
"""Of the mean variance: what is added to every input's own, against chance correlations."""
SCARCE = 0.3
"""Damping for a layer with as many inputs as samples; it shrinks with their ratio."""
LEAST_ACTIVE = 0.25
"""A channel that is zero almost everywhere is not moved far for a small shift of its mean."""
SETTLED = 1e-3
"""Rounding is done when a sweep changes a smaller share of the weights."""
ADDING = {*PASSING, "GlobalAveragePool", "ReduceMean", "Reshape"}
"""Operators that add to a channel's mean what is added to it in what they read, if there are as many channels."""
BLOCK = 128
"""Columns of weights that are rounded together."""


class Spread:
    """How a layer's inputs vary: their covariance C [K, K] as ``Dᵀ D`` plus ``own`` times the identity, D [N, K].

    With the deviations of N samples from their mean, over √N, a layer of more inputs than samples needs no matrix that
    is larger than they are. It goes with an error E [O, K] of weights, and the slope of ``tr(E C Eᵀ)``.
    """

    def __init__(self, deviations: Reals | Matrix, own: float) -> None:
        self.deviations, self.own = deviations, own
        self.blocks: dict[int, Matrix] = {}

    @classmethod
    def of_samples(cls, deviations: Reals, damping: float) -> Spread:
        """From samples; ``damping`` times the mean variance is added to each input's own."""
        variance = float(np.square(deviations, dtype=np.float64).mean())
        return cls(deviations, damping * variance * len(deviations) + 1e-12)

    @classmethod
    def of_covariance(cls, covariance: Matrix, damping: float) -> Spread:
        """From a covariance matrix that is known, damped in the same way; more where its rounding asks for it."""
        own = damping * np.trace(covariance) / len(covariance) + 1e-12
        for more in (1, 1e2, 1e4):
            with suppress(np.linalg.LinAlgError):
                return cls(np.linalg.cholesky(covariance + more * own * np.eye(len(covariance))).T, 0.0)
        return cls(np.diag(np.sqrt(np.maximum(np.diag(covariance), 0) + own)), 0.0)

    def begin(self, error: Matrix) -> None:
        """Start with an error."""
        self.error, self.seen = error, error @ self.deviations.T

    def within(self, block: slice) -> Matrix:
        """The covariance of some inputs with each other."""
        if block.start not in self.blocks:
            part = self.deviations[:, block].astype(np.float64)
            self.blocks[block.start] = part.T @ part + self.own * np.eye(part.shape[1])
        return self.blocks[block.start]

    def slope(self, block: slice) -> Matrix:
        """The slope at some columns."""
        slope: Matrix = self.seen @ self.deviations[:, block] + self.own * self.error[:, block]
        return slope

    def moved(self, block: slice, change: Matrix) -> None:
        """Take ``change`` off some columns of the error."""
        self.error[:, block] -= change
        self.seen -= change @ self.deviations[:, block].T


@dataclass(frozen=True)
class Moments:
    """What reaches a layer, by group: means [G, K] in the float and the quantized network, and how inputs vary.

    ``spread`` is empty where nobody asked for it.
    """

    exact_mean: Matrix
    mean: Matrix
    spread: Sequence[Spread]


def correct_biases(model: ModelProto, plan: Plan, inputs: RealInputs) -> ModelProto:
    """The prepared float model with biases that give each channel of the quantized network the float one's mean."""
    return _fitted(model, plan, inputs, rounding=False, groups=())[0]


def reconstruct(model: ModelProto, plan: Plan, inputs: RealInputs, groups: Sequence[Group]) -> tuple[ModelProto, Plan]:
    """Learn the rounding of weights, ranges and biases from unlabeled images.

    Args:
        model: prepared float ONNX of one input.
        plan: scales of every stored tensor to start from.
        inputs: calibration images.
        groups: tensors that share a scale, if ranges are to be tuned; none if they stay as they are.

    Returns:
        The model with corrected biases, and the plan with what was decided.
    """
    return _fitted(model, plan, inputs, rounding=True, groups=groups)


def _fitted(
    model: ModelProto, plan: Plan, inputs: RealInputs, rounding: bool, groups: Sequence[Group]
) -> tuple[ModelProto, Plan]:
    walk = Walk(model, plan.affines, inputs)
    layers = {layer.position: layer for layer in weighted_layers(model) if layer.name not in plan.floats}
    free = {group.tensors[0]: group.tensors for group in groups if group.fixed is None and len(group.tensors) == 1}
    readers, sizes = readers_of(model, list(layers.values())), sizes_of(model.graph)
    decided: dict[str, QuantizedWeights] = {}
    segments = walk.segments()
    with progress("fitting layers", len(segments)) as bar:
        for done, segment in enumerate(segments, start=1):
            found = layers.get(segment.start)
            fitted = None if found is None or found.bias is None else found
            end = _stored_end(walk, fitted, segment, sizes) if fitted else ""
            if fitted:
                decided[fitted.name] = _fit(walk, fitted, plan, rounding, settled=bool(end))
            walk.affines.update(tuned_ranges(walk, segment, free, readers))
            if fitted and end:
                _settle(walk, fitted, segment.end, end)
            walk.keep(segment.end)
            bar.update(done)
    draft = Draft.from_model(model)
    corrected = [layer.bias_name for layer in layers.values() if layer.bias is not None]
    draft.constants.update({name: walk.constants[name] for name in corrected})
    return draft.to_model(), replace(plan, affines=dict(walk.affines)).with_weights(decided)


def _stored_end(walk: Walk, layer: WeightedLayer, segment: Segment, sizes: Mapping[str, tuple[int, ...]]) -> str:
    """The segment's last stored tensor that a change of the layer's bias moves as much; empty if there is none."""
    moved = {layer.name}
    for node in walk.nodes[segment.start + 1 : segment.end]:
        added = node.input[:1] if node.op_type == "Sub" else node.input
        if node.op_type in ADDING and not moved.isdisjoint(added):
            moved.update(name for name in node.output if sizes.get(name, ())[1:2] == (layer.outputs,))
    return next((name for name in reversed(segment.outputs) if name in moved and name in walk.affines), "")


def _fit(walk: Walk, layer: WeightedLayer, plan: Plan, rounding: bool, settled: bool) -> QuantizedWeights:
    """Decide a layer's stored weights and correct its bias, in the walk's constants.

    Where weights are the nearest and the bias will be ``settled``, that alone corrects it as well, in half of the time.
    """
    # The scale that the file will have depends on the input's, which may have been tuned on the way.
    weights = replace(plan, affines=walk.affines).weights_of(layer.node, walk.reals)
    if rounding or not settled:
        moments = _moments(walk, layer, rounding)
        if rounding:
            weights = replace(weights, stored=_rounded(layer, weights, moments, plan.scheme.most(layer.node.op_type)))
        rows = weights.real.reshape(layer.rows.shape).astype(np.float64)
        exact = np.einsum("gok,gk->go", layer.rows.astype(np.float64), moments.exact_mean)
        shift = exact - np.einsum("gok,gk->go", rows, moments.mean)
        assert layer.bias is not None
        walk.constants[layer.bias_name] = (layer.bias + shift.reshape(-1)).astype(np.float32)
    walk.constants[layer.weight_name] = weights.real
    return weights


def _settle(walk: Walk, layer: WeightedLayer, position: int, end: str) -> None:
    """Correct a layer's bias by the means that are left where the tensor ``end`` is stored, before ``position``.

    Clipping, rounding and a sum with what other layers made shift them again. A Relu passes on a change of the bias
    for the share of values that are not zero.
    """
    shift, active = np.zeros(layer.outputs), np.zeros(layer.outputs)
    for exact, rounded in walk.values_before(position):
        axes = tuple(axis for axis in range(exact[end].ndim) if axis != 1)
        shift += rounded[end].mean(axis=axes) - exact[end].mean(axis=axes)
        active += (exact[end] != 0).mean(axis=axes)
    change = shift / np.maximum(active, LEAST_ACTIVE * len(walk.inputs))
    walk.constants[layer.bias_name] = (walk.constants[layer.bias_name] - change).astype(np.float32)


def _moments(walk: Walk, layer: WeightedLayer, with_covariance: bool) -> Moments:
    name, generator = layer.node.input[0], np.random.default_rng(0)
    size = layer.rows.shape[2]
    exact_sum = total = np.zeros((layer.groups, size))
    products, kept, samples = np.zeros((layer.groups, 1, 1)), list[Reals](), 0
    for exact, rounded in walk.values_before(layer.position):
        seed = int(generator.integers(2**32))
        pair = (layer.patches(values[name], POSITIONS, np.random.default_rng(seed)) for values in (exact, rounded))
        expected, found = pair
        exact_sum = exact_sum + expected.sum(axis=1, dtype=np.float64)
        total = total + found.sum(axis=1, dtype=np.float64)
        samples += found.shape[1]
        if with_covariance and size > len(walk.inputs) * found.shape[1]:
            kept.append(found)
        elif with_covariance:
            products = products + np.matmul(found.transpose(0, 2, 1), found)
    mean = total / samples
    if not with_covariance:
        return Moments(exact_sum / samples, mean, ())
    damping = max(DAMPING, SCARCE * size / samples)
    if kept:
        deviations = (np.concatenate(kept, axis=1) - mean[:, None, :].astype(np.float32)) / np.float32(samples**0.5)
        return Moments(exact_sum / samples, mean, [Spread.of_samples(group, damping) for group in deviations])
    covariance = products / samples - mean[:, :, None] * mean[:, None, :]
    return Moments(exact_sum / samples, mean, [Spread.of_covariance(group, damping) for group in covariance])


def _rounded(layer: WeightedLayer, weights: QuantizedWeights, moments: Moments, limit: int) -> NDArray[np.int8]:
    """The stored weights whose error moves the layer's output least."""
    rows = layer.rows.astype(np.float64)
    steps = np.broadcast_to(weights.quantization.scales, layer.outputs).reshape(layer.groups, -1, 1)
    nearest = weights.quantization.quantize(layer.weights.astype(np.float64), limit)
    stored = nearest.reshape(rows.shape).astype(np.float64)
    for group, spread in enumerate(moments.spread):
        _descend(stored[group], rows[group], steps[group], spread, limit)
    return stored.reshape(layer.weights.shape).astype(np.int8)


def _descend(stored: Matrix, rows: Matrix, steps: Matrix, spread: Spread, limit: int) -> None:
    """Coordinate descent on ``tr(E C Eᵀ)``, E = rows - steps * stored [O, K], over integers, in place.

    The columns of a block see each other's changes at once, those of other blocks when it is done: the same steps in
    the same order, but most of the work in matrix products.
    """
    spread.begin(rows - steps * stored)
    for _ in range(SWEEPS):
        changes = 0
        for start in range(0, stored.shape[1], BLOCK):
            block = slice(start, min(start + BLOCK, stored.shape[1]))
            own, slope, total = spread.within(block), spread.slope(block), np.zeros_like(stored[:, block])
            for place, column in enumerate(range(start, block.stop)):
                moved = np.rint(stored[:, column] + slope[:, place] / (own[place, place] * steps[:, 0]))
                change = np.clip(moved, -limit, limit) - stored[:, column]
                (changed,) = np.nonzero(change)
                if changed.size:
                    total[changed, place] = change[changed] * steps[changed, 0]
                    slope[changed] -= total[changed, place, None] * own[place]
                    stored[changed, column] += change[changed]
                    changes += changed.size
            spread.moved(block, total)
        if changes < SETTLED * stored.size:
            return
