"""Which layer hurts: for each stored tensor, how far its values are from the float model's, and what it does alone."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.quantize.calibrate import RealInputs
from edgekit.quantize.layers import weighted_layers
from edgekit.quantize.mixed import sensitivities
from edgekit.quantize.plan import Plan
from edgekit.quantize.qdq import stored_weights
from edgekit.quantize.spec import dequantize_weights
from edgekit.quantize.walk import Walk

if TYPE_CHECKING:
    from onnx import ModelProto

IMAGES = 8


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
        alone_db: signal over noise of the network's outputs when this tensor alone is rounded; None for no change.
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

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def layer_table(exact: ModelProto, model: ModelProto, plan: Plan, inputs: RealInputs) -> tuple[TensorRow, ...]:
    """Measure every stored tensor of a quantized network.

    Args:
        exact: the prepared float model, with the biases it had.
        model: the same with the biases that will be stored.
        plan: how its values are stored.
        inputs: a few images.
    """
    from onnx import numpy_helper

    few = inputs.first(IMAGES)
    walk = Walk(exact, plan.affines, few)
    walk.constants.update({item.name: numpy_helper.to_array(item) for item in model.graph.initializer})
    for layer in weighted_layers(model):
        if layer.name not in plan.floats:
            weights = stored_weights(model, layer.node, plan)
            walk.constants[layer.weight_name] = dequantize_weights(weights.stored, weights.scales, weights.axis)
    signal, noise = dict.fromkeys(plan.affines, 0.0), dict.fromkeys(plan.affines, 0.0)
    for before, after in walk.all_values(tuple(plan.affines)):
        for name in plan.affines:
            signal[name] += float(np.square(before[name], dtype=np.float64).sum())
            noise[name] += float(np.square(before[name].astype(np.float64) - after[name]).sum())
    alone = sensitivities(exact, plan.affines, few)
    makers = {output: node for node in exact.graph.node for output in node.output}
    rows = []
    for name, affine in plan.affines.items():
        maker = makers.get(name)
        sqnr = 10 * math.log10(signal[name] / noise[name]) if noise[name] > 0 < signal[name] else None
        kept = maker is not None and maker.output[0] in plan.floats
        operator = "input" if maker is None else maker.op_type
        rows.append(
            TensorRow(
                name,
                operator,
                affine.scale,
                affine.zero_point,
                affine.bits,
                _rounded(sqnr),
                _rounded(alone[name]),
                kept,
            )
        )
    return tuple(rows)


def _rounded(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(value, 2)
