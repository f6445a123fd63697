"""Cross-layer equalization: channels of one tensor get ranges alike, and the network computes what it did before.

Between two layers, a channel may be measured in another unit: the layer before writes it ``s`` times as large, the
layer behind reads it with weights ``1/s`` as large (Nagel et al. 2019, section 4.1). There the factors make the ranges
of the weights equal. Here they minimise what rounding would add to every layer's output by the usual model of its
noise, a twelfth of the squared step, from the activations read (one step for all channels) and from the weights. So one
objective serves weights per channel and per tensor, of 8 bits and of fewer, and whole families of tensors that a
residual stream ties together.

A channel that ends in a clip to [0, b] may only grow, and only so far that its largest value just reaches b.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from edgekit.graph.draft import Draft
from edgekit.operators.weight_scheme import EIGHT_BITS, WeightScheme
from edgekit.quantization.channel_classes import ChannelTies, tie_channels
from edgekit.quantization.channel_statistics import Channels
from edgekit.quantization.tensor_groups import stored_tensors
from edgekit.quantization.weighted_layers import WeightedLayer, readers_of, weighted_layers
from edgekit.scales import INT8_MAX, INT8_MIN

if TYPE_CHECKING:
    from onnx import ModelProto

Reals = NDArray[np.float64]

STEPS = 60
RATE = 0.16
LARGEST_LOG = 6.0
"""No channel changes by more than exp of this: beyond lie dead channels, whose units mean nothing."""
NORM = 12.0
"""The exponent that stands for the maximum: differentiable, and within a few percent of it."""
FAINT = 1e-9


def equalize(model: ModelProto, channels: Mapping[str, Channels], scheme: WeightScheme = EIGHT_BITS) -> ModelProto:
    """A prepared float model of the same function whose channels are easier to store in few bits.

    Args:
        model: prepared float ONNX; outputs stay the same up to float32 rounding on data within ``channels``.
        channels: what ``channel_statistics`` saw of each tensor.
        scheme: how the weights will be stored.
    """
    ties = tie_channels(model, channels)
    layers = [layer for layer in weighted_layers(model) if {layer.name, layer.node.input[0]} <= set(channels)]
    if not layers or not ties.count:
        return model
    terms: list[_Activations | _Weights] = [_Weights.of(layer, ties, channels, scheme) for layer in layers]
    stored = set(stored_tensors(model)) & set(channels)
    for name, readers in readers_of(model, layers).items():
        if name in stored:
            terms.extend(
                _Activations.of(name, layer, ties, channels)
                for layer in readers
                if len(layer.squares) == len(channels[name].low)
            )
    return rescaled(model, layers, ties, np.exp(_minimise(terms, ties)))


def rescaled(model: ModelProto, layers: Sequence[WeightedLayer], ties: ChannelTies, factors: Reals) -> ModelProto:
    """The model with channel class k written ``factors[k]`` times as large, and read accordingly."""
    draft = Draft.from_model(model)
    for layer in layers:
        written, read = factors[ties.classes[layer.name]], factors[ties.classes[layer.node.input[0]]]
        rows = layer.rows.astype(np.float64) * written.reshape(layer.groups, -1, 1)
        # Each input channel has one weight per position of the kernel.
        rows /= np.repeat(read.reshape(layer.groups, 1, -1), layer.kernel_size, axis=2)
        layer.give(draft, rows.reshape(layer.weights.shape), None if layer.bias is None else layer.bias * written)
    draft.drop_unused()
    return draft.to_model()


def _minimise(terms: Sequence[_Activations | _Weights], ties: ChannelTies) -> Reals:
    """The logarithms of the factors, by Adam (Kingma and Ba 2015) within the bounds."""
    logs = np.zeros(ties.count)
    low, high = np.maximum(ties.low, -LARGEST_LOG), np.minimum(ties.high, LARGEST_LOG)
    first, second = np.zeros_like(logs), np.zeros_like(logs)
    for step in range(1, STEPS + 1):
        loss, gradient = 0.0, np.zeros_like(logs)
        for term in terms:
            loss += term.add(logs, gradient)
        gradient /= loss
        first = 0.9 * first + 0.1 * gradient
        second = 0.99 * second + 0.01 * gradient**2
        ahead = first / (1 - 0.9**step) / (np.sqrt(second / (1 - 0.99**step)) + FAINT)
        logs = np.clip(logs - RATE * (1 - step / (STEPS + 1)) * ahead, low, high)
    return logs


@dataclass(frozen=True)
class _Activations:
    """What rounding one tensor adds to the output of a layer that reads it, over the signal there.

    All channels share one step, which follows the largest ``spread`` [C]; ``squares`` [C] sums the squared weights that
    read each. ``classes`` [C] says which factors apply.
    """

    classes: NDArray[np.intp]
    spread: Reals
    squares: Reals
    signal: float

    @classmethod
    def of(cls, name: str, layer: WeightedLayer, ties: ChannelTies, channels: Mapping[str, Channels]) -> Self:
        spread = channels[name].spread
        faintest = FAINT + 1e-6 * spread.max(initial=0.0)
        signal = float(channels[layer.name].power.sum()) + FAINT
        return cls(ties.classes[name], np.maximum(spread, faintest), layer.squares, signal)

    def add(self, logs: Reals, gradient: Reals) -> float:
        """The noise for these logarithms of the factors; its gradient is added to ``gradient``."""
        own = logs[self.classes]
        step, share = _soft_maximum(np.log(self.spread) + own)
        through = self.squares * np.exp(-2 * own)
        noise = float(np.exp(2 * step) * through.sum() / (12.0 * (INT8_MAX - INT8_MIN) ** 2 * self.signal))
        np.add.at(gradient, self.classes, 2 * noise * (share - through / max(float(through.sum()), FAINT)))
        return noise


@dataclass(frozen=True)
class _Weights:
    """What rounding a layer's weights adds to its output, over the signal there.

    ``read`` [G, C/G] and ``written`` [G, O/G] are the classes of its channels, ``power`` [G, C/G] the mean square of
    the input. ``peaks`` [G, O/G, C/G] holds the weights' magnitudes relative to ``peak``, to the power NORM; ``most``
    is the largest stored one.
    """

    read: NDArray[np.intp]
    written: NDArray[np.intp]
    power: Reals
    peaks: NDArray[np.float32]
    peak: float
    most: int
    signal: float
    per_tensor: bool

    @classmethod
    def of(
        cls, layer: WeightedLayer, ties: ChannelTies, channels: Mapping[str, Channels], scheme: WeightScheme
    ) -> Self:
        groups = layer.groups
        weights = layer.weights.reshape(groups, layer.outputs // groups, -1, layer.kernel_size)
        magnitudes = np.abs(weights).max(axis=3)
        peak = float(magnitudes.max(initial=0.0)) or 1.0
        return cls(
            read=ties.classes[layer.node.input[0]].reshape(groups, -1),
            written=ties.classes[layer.name].reshape(groups, -1),
            power=layer.kernel_size * channels[layer.node.input[0]].power.reshape(groups, -1),
            peaks=((magnitudes / peak) ** NORM).astype(np.float32),
            peak=peak,
            most=scheme.most(layer.node.op_type),
            signal=float(channels[layer.name].power.sum()) + FAINT,
            per_tensor=scheme.axis(layer.node.op_type) is None,
        )

    def add(self, logs: Reals, gradient: Reals) -> float:
        """The noise for these logarithms of the factors; its gradient is added to ``gradient``."""
        own, out = logs[self.read], logs[self.written]
        centre = own.mean()
        inverse = np.exp(-NORM * (own - centre))
        sums = _times(self.peaks, inverse) + 1e-30
        inputs = self.power * np.exp(2 * own)
        unit = self.peak**2 * np.exp(-2 * centre) / (12.0 * self.most**2 * self.signal)
        if self.per_tensor:
            raised = sums * np.exp(NORM * out)
            noises = unit * raised.sum() ** (2 / NORM) * inputs.sum(axis=1, keepdims=True) * np.exp(-2 * out)
            by_sum = 2 * noises.sum() * raised / raised.sum()
            np.add.at(gradient, self.written, by_sum - 2 * noises)
        else:
            noises = unit * sums ** (2 / NORM) * inputs.sum(axis=1, keepdims=True)
            by_sum = 2 * noises
        back = _times(self.peaks.transpose(0, 2, 1), by_sum / sums) * inverse
        ahead = 2 * inputs / (inputs.sum(axis=1, keepdims=True) + FAINT) * noises.sum(axis=1, keepdims=True)
        np.add.at(gradient, self.read, ahead - back)
        return float(noises.sum())


def _times(matrices: NDArray[np.float32], vectors: Reals) -> Reals:
    """[G, M, N] times [G, N]: [G, M].

    Without BLAS: it takes many small matrices one by one, and its threads wait long for each other on a busy machine.
    """
    return np.asarray(np.einsum("gmn,gn->gm", matrices, vectors.astype(np.float32)), np.float64)


def _soft_maximum(logs: Reals) -> tuple[float, Reals]:
    """The NORM-norm of exp(logs), as a logarithm, and each entry's share in its derivative."""
    largest = logs.max()
    powers = np.exp(NORM * (logs - largest))
    return float(largest + np.log(powers.sum()) / NORM), powers / powers.sum()
