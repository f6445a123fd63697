"""Ranges of activations tuned where they arise: by the error that is left of the float values when they are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgekit.quantization.calibrate import Reals
from edgekit.quantization.weighted_layers import WeightedLayer
from edgekit.scales import Quantization, range_quantization

if TYPE_CHECKING:
    from edgekit.quantization.walk import Segment, Walk

SHARES = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5)
"""Of the full range, tried on each side."""
SAMPLES = 2048
"""Positions at which values are compared."""


def tuned_ranges(
    walk: Walk, segment: Segment, free: Mapping[str, Sequence[str]], readers: Mapping[str, Sequence[WeightedLayer]]
) -> dict[str, Quantization]:
    """New scales for the tensors that a segment hands on.

    The error of each channel counts by the squared weights that read it; its mean does not, since the reader's bias
    takes it up.

    Args:
        walk: both networks, fitted up to the segment's end.
        segment: where the tensors arise.
        free: each tensor whose range may be chosen, with all that share it.
        readers: the layers that read each tensor.
    """
    names = [name for name in segment.outputs if name in free]
    if not names:
        return {}
    former = {name: walk.affines.pop(name) for name in names}
    samples = _samples(walk, segment.end, names)
    walk.affines.update(former)
    best = {name: _best(samples[name], _importance(name, readers, samples[name].shape[2])) for name in names}
    return {shared: affine for name, affine in best.items() for shared in free[name]}


def _samples(walk: Walk, position: int, names: Sequence[str]) -> dict[str, Reals]:
    """For each tensor, the float network's values and the quantized one's before they are rounded: [2, samples, C]."""
    generator = np.random.default_rng(0)
    each = max(1, SAMPLES // len(walk.inputs))
    found: dict[str, list[Reals]] = {name: [] for name in names}
    for exact, rounded in walk.values_before(position):
        for name in names:
            rows = [_by_channel(values[name]) for values in (exact, rounded)]
            taken = generator.choice(len(rows[0]), min(each, len(rows[0])), replace=False)
            found[name].append(np.stack([values[taken] for values in rows]))
    return {name: np.concatenate(pairs, axis=1) for name, pairs in found.items()}


def _by_channel(values: Reals) -> Reals:
    """[positions, C]; a tensor of rank 1 has one channel."""
    return values.reshape(-1, 1) if values.ndim < 2 else np.moveaxis(values, 1, -1).reshape(-1, values.shape[1])


def _importance(name: str, readers: Mapping[str, Sequence[WeightedLayer]], channels: int) -> NDArray[np.float64]:
    """How much each channel's error counts, [C]: the squared weights that read it; all alike without such a reader."""
    total = np.zeros(channels)
    for layer in readers.get(name, ()):
        squares = layer.squares
        if squares.size == channels:
            total += squares / (squares.mean() + 1e-30)
    return total if total.any() else np.ones(channels)


def _best(pair: Reals, importance: NDArray[np.float64]) -> Quantization:
    """The scale that leaves the least error when the second of the pair is rounded by it in place of the first."""
    exact, found = pair
    low, high = min(float(found.min()), 0.0), max(float(found.max()), 0.0)

    def error(candidate: Quantization) -> float:
        kept = candidate.dequantize(candidate.quantize(found))
        return float((kept - exact).var(axis=0, dtype=np.float64) @ importance)

    both = [range_quantization(low * share, high * share) for share in SHARES]
    best = min(both, key=error)
    if low < 0 < high:
        best = min((range_quantization(low * share, best.high) for share in SHARES), key=error)
        best = min((range_quantization(best.low, high * share) for share in SHARES), key=error)
    return best
