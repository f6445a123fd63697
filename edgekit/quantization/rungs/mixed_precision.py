"""Mixed precision: the fewest operators left in float that pass the gate, by the measured sensitivity of each tensor.

A tensor stays real only if the operator that makes it and those that read it compute in float, so that is what is left
out of the integers together. Tensors come in the order of what rounding them alone does to the network's outputs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from edgekit.console import progress
from edgekit.graph.draft import Draft
from edgekit.graph.messages import makers_of
from edgekit.operators import operators_that
from edgekit.quantization.calibrate import RealInputs, outputs_of
from edgekit.quantization.judge import Judge
from edgekit.quantization.plan import Plan
from edgekit.quantization.rounding import add_rounding, rounded_name
from edgekit.quantization.weighted_layers import with_exact_biases
from edgekit.scales import Quantization
from edgekit.tasks.quality import signal_to_noise_db

if TYPE_CHECKING:
    from onnx import ModelProto

    from edgekit.data.intake import Intake

ACTIVATIONS = operators_that(lambda row: row.is_activation)
INFERENCES = 128
"""Of the whole network, for all sensitivities together; each tensor sees at least one image."""
MOST_FLOAT = 1 / 3
"""Of the operators: beyond it a float file is the better answer."""


def sensitivities(model: ModelProto, affines: Mapping[str, Quantization], inputs: RealInputs) -> dict[str, float]:
    """For each stored tensor, the outputs' signal-to-noise ratio in dB when it alone is rounded; infinite for none."""
    images = list(inputs.first(max(1, INFERENCES // max(1, len(affines)))))
    exact = outputs_of(model, images, simulated=True)
    found = {}
    with progress("sensitivity of each tensor", len(affines)) as bar:
        for done, (name, affine) in enumerate(affines.items(), start=1):
            found[name] = signal_to_noise_db(exact, outputs_of(_rounded(model, name, affine), images, simulated=True))
            bar.update(done)
    return found


def fewest_floats(
    model: ModelProto, exact: ModelProto, plan: Plan, intake: Intake, judge: Judge, gate: float
) -> frozenset[str]:
    """The first outputs of the operators to leave in float, so that the drop is at most ``gate`` points.

    ``model`` has the biases that integers need, ``exact`` those of the float network.

    The number of tensors kept real grows by doubling, then shrinks by halves; if even a third of the operators in
    float does not pass, that third is returned.
    """
    ends = {value.name for value in (*model.graph.input, *model.graph.output)}
    inner = {name: affine for name, affine in plan.affines.items() if name not in ends}
    measured = sensitivities(model, inner, RealInputs(judge.split, judge.indices, intake))
    order = sorted(measured, key=lambda name: measured[name])
    most = math.ceil(MOST_FLOAT * len(model.graph.node))

    def floats(count: int) -> frozenset[str]:
        return frozenset().union(*(around(model, name) for name in order[:count]))

    def passes(count: int) -> bool:
        tried = with_exact_biases(model, exact, floats(count))
        return judge.judge(tried, plan.with_floats(floats(count)), intake).drop <= gate

    high = 1
    while high < len(order) and len(floats(high)) <= most and not passes(high):
        high *= 2
    low, high = high // 2, min(high, len(order))
    while high > 1 and len(floats(high)) > most:
        high -= 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if passes(middle) else (middle, high)
    return floats(high)


def around(model: ModelProto, name: str) -> frozenset[str]:
    """The operators that make or read a tensor, with the one whose activation function makes it."""
    makers = makers_of(model.graph.node)
    found = {str(node.output[0]) for node in model.graph.node if name in node.input}
    maker = makers.get(name)
    if maker is not None:
        found.add(str(maker.output[0]))
        if maker.op_type in ACTIVATIONS and maker.input[0] in makers:
            found.add(str(makers[maker.input[0]].output[0]))
    return frozenset(found)


def _rounded(model: ModelProto, name: str, affine: Quantization) -> ModelProto:
    """The model with one tensor rounded before everything that reads it."""
    draft = Draft.from_model(model)
    draft.redirect(name, rounded_name(name))
    add_rounding(draft, name, affine)
    return draft.to_model()
