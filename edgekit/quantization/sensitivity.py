"""Which layer hurts: for each stored tensor, how far its values are from the float model's, and what it does alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgekit.console import progress, say
from edgekit.graph.draft import Draft
from edgekit.graph.messages import constants_of, makers_of, sizes_of
from edgekit.quantization.calibrate import RealInputs, Reals, give_back_memory, outputs_of
from edgekit.quantization.plan import Plan
from edgekit.quantization.rungs.mixed_precision import INFERENCES, sensitivities
from edgekit.quantization.walk import Values, Walk
from edgekit.quantization.weighted_layers import weighted_layers
from edgekit.scales import Quantization
from edgekit.tasks.quality import signal_to_noise_db

if TYPE_CHECKING:
    from onnx import ModelProto

IMAGES = 8
MOST_TENSORS = 500
"""That are rounded alone: what it takes grows with the square of a network's length."""


@dataclass(frozen=True)
class TensorRow:
    """One stored tensor.

    Attributes:
        tensor: its name in the float model.
        operator: what computes it; ``input`` for an input.
        scale: of its stored values.
        zero_point: of its stored values.
        bits: 8 or 16.
        sqnr_db: signal over noise of its values in the quantized network; None where they are equal.
        alone_db: signal over noise of the network's outputs when this tensor alone is rounded; None for no change, and
            where so many as ``MOST_TENSORS`` have coarser steps.
        is_float: its operator computes in float.
    """

    tensor: str
    operator: str
    scale: float
    zero_point: int
    bits: int
    sqnr_db: float | None
    alone_db: float | None
    is_float: bool


def layer_table(exact: ModelProto, model: ModelProto, plan: Plan, inputs: RealInputs) -> tuple[TensorRow, ...]:
    """Measure every stored tensor of a quantized network, in the order in which they are computed.

    Args:
        exact: the prepared float model, with the biases it had.
        model: the same with the biases that will be stored.
        plan: how its values are stored.
        inputs: a few images.
    """
    few = inputs.first(IMAGES)
    powers = _powers(exact, model, plan, few)
    give_back_memory()
    alone = sensitivities(exact, _coarsest(exact, plan.affines, powers), few)
    makers = makers_of(exact.graph.node)
    rows = []
    order = {name: place for place, name in enumerate(makers)}
    for name in sorted(plan.affines, key=lambda name: order.get(name, -1)):
        affine, maker = plan.affines[name], makers.get(name)
        signal, noise = powers[name]
        sqnr = 10 * math.log10(signal / noise) if noise > 0 < signal else None
        kept = maker is not None and maker.output[0] in plan.floats
        operator = "input" if maker is None else maker.op_type
        stored = (affine.scale, affine.zero_point, affine.bits)
        rows.append(TensorRow(name, operator, *stored, _rounded(sqnr), _rounded(alone.get(name)), kept))
    return tuple(rows)


def weights_alone(exact: ModelProto, model: ModelProto, plan: Plan, inputs: RealInputs) -> dict[str, float | None]:
    """For each layer with weights, by its first output, the outputs' signal to noise in dB when they alone are rounded.

    Arguments as of ``layer_table``; None where nothing changes.
    """
    layers = [layer for layer in weighted_layers(exact) if layer.name not in plan.floats]
    images = list(inputs.first(max(1, INFERENCES // max(1, len(layers)))))
    reals, stored = outputs_of(exact, images, simulated=True), constants_of(model)
    found = {}
    with progress("sensitivity to each layer's weights", len(layers)) as bar:
        for done, layer in enumerate(layers, start=1):
            draft = Draft.from_model(exact)
            draft.constants[layer.weight_name] = plan.weights_of(layer.node, stored).real
            noisy = outputs_of(draft.to_model(), images, simulated=True)
            found[layer.name] = _rounded(signal_to_noise_db(reals, noisy))
            bar.update(done)
    return found


def _powers(exact: ModelProto, model: ModelProto, plan: Plan, inputs: RealInputs) -> dict[str, NDArray[np.float64]]:
    """For each stored tensor, the sums of the squares of its values and of their errors in the quantized network."""
    walk = Walk(exact, plan.affines, inputs)
    stored = constants_of(model)
    walk.constants.update(stored)
    for layer in weighted_layers(model):
        if layer.name not in plan.floats:
            walk.constants[layer.weight_name] = plan.weights_of(layer.node, stored).real

    def squares(pair: tuple[Values, Values]) -> dict[str, tuple[float, float]]:
        real, found = pair
        return {name: (_power(real[name]), _power(real[name] - found[name])) for name in plan.affines}

    totals = {name: np.zeros(2) for name in plan.affines}
    for image in walk.all_values(tuple(plan.affines), squares):
        for name, sums in image.items():
            totals[name] += sums
    return totals


def _coarsest(
    exact: ModelProto, affines: Mapping[str, Quantization], powers: Mapping[str, NDArray[np.float64]]
) -> dict[str, Quantization]:
    """The ``MOST_TENSORS`` whose steps are the largest beside their values, in their order."""
    if len(affines) <= MOST_TENSORS:
        return dict(affines)
    say(f"of {len(affines):,} tensors the {MOST_TENSORS} of the coarsest steps are rounded alone")
    sizes = sizes_of(exact.graph)

    def coarseness(name: str) -> float:
        signal = float(powers[name][0])
        return affines[name].scale ** 2 * math.prod(sizes[name]) / signal if signal else 0.0

    chosen = set(sorted(affines, key=coarseness, reverse=True)[:MOST_TENSORS])
    return {name: affine for name, affine in affines.items() if name in chosen}


def _power(values: Reals) -> float:
    return float(np.square(values, dtype=np.float64).sum())


def _rounded(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(value, 2)
