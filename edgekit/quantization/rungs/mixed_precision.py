"""Mixed precision: the fewest operators left in float that pass the gate, by the measured sensitivity of each tensor.

A tensor stays real only if the operator that makes it and those that read it compute in float, so that is what is left
out of the integers together. Tensors come in the order of what rounding them alone does to the network's outputs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.console import progress
from edgekit.graph.draft import Draft
from edgekit.graph.messages import constants_of, make_node, makers_of, sizes_of
from edgekit.operators import ACTIVATIONS
from edgekit.quantization.calibrate import RealInputs, Reals, answers_of, open_simulation, outputs_of
from edgekit.quantization.judge import Judge
from edgekit.quantization.plan import Plan
from edgekit.quantization.rounding import add_rounding
from edgekit.quantization.weighted_layers import weighted_layers, with_float_layers
from edgekit.scales import Quantization
from edgekit.tasks.quality import signal_to_noise_db

if TYPE_CHECKING:
    from onnx import ModelProto

    from edgekit.data.intake import Intake

INFERENCES = 128
"""Of the whole network, for all sensitivities together; each tensor sees at least one image."""
TOGETHER = 32
"""Tensors in one graph: to open one takes longer than to run it, and each that could be rounded slows every run."""
MOST_FLOAT = 1 / 3
"""Of the operators: beyond it a float file is the better answer."""


def sensitivities(model: ModelProto, affines: Mapping[str, Quantization], inputs: RealInputs) -> dict[str, float]:
    """For each stored tensor, the outputs' signal-to-noise ratio in dB when it alone is rounded; infinite for none."""
    images = list(inputs.first(max(1, INFERENCES // max(1, len(affines)))))
    names, found = list(affines), {}
    with progress("sensitivity of each tensor", len(affines)) as bar:
        for start in range(0, len(names), TOGETHER):
            part = names[start : start + TOGETHER]
            session = open_simulation(_switched(model, {name: affines[name] for name in part}))

            def answers(place: int | None, size: int = len(part), session: Any = session) -> Reals:
                switches = np.arange(size) == place
                return answers_of(session, ((*feed, switches) for feed in images))

            exact = answers(None)
            for place, name in enumerate(part):
                found[name] = signal_to_noise_db(exact, answers(place))
                bar.update(len(found))
    return found


def fewest_floats(
    model: ModelProto, exact: ModelProto, plan: Plan, intake: Intake, judge: Judge, gate: float
) -> frozenset[str]:
    """The first outputs of the operators to leave in float, so that the drop is at most ``gate`` points.

    ``model`` has the biases that integers need, ``exact`` the weights and biases of operators in float.

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
        tried = with_float_layers(model, exact, floats(count))
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


def with_stored_weights(exact: ModelProto, plan: Plan, inputs: RealInputs) -> ModelProto:
    """The float model with stored weights, and biases that make up for the mean error of each layer.

    They are those of ``plan``, or the nearest of 8 bits where it has fewer: so an operator that is left in float still
    has its weights in 8 bits, and no fewer, since runtimes read no int4 weights there.
    """
    plan = plan.with_wide_weights()
    layers = [layer for layer in weighted_layers(exact) if layer.bias is not None]
    draft, constants, sizes = Draft.from_model(exact), constants_of(exact), sizes_of(exact.graph)
    stored = {layer.name: plan.weights_of(layer.node, constants).real for layer in layers}
    moved = []
    for layer in layers:
        copy = deepcopy(layer.node)
        copy.name = ""
        copy.input[1] = draft.add_constant(f"{layer.name}/stored weights", stored[layer.name])
        copy.output[0] = f"{layer.name}/by stored weights"
        axes = draft.add_integers(f"{layer.name}/axes", [axis for axis in range(len(sizes[layer.name])) if axis != 1])
        moved.append(f"{layer.name}/moved")
        draft.add(copy)
        draft.add(make_node("Sub", [copy.output[0], layer.name], [f"{layer.name}/difference"]))
        draft.add(make_node("ReduceMean", [f"{layer.name}/difference", axes], moved[-1:], keepdims=0))
    draft.watch(moved)
    if not moved:
        return exact
    means = outputs_of(draft.to_model(), inputs).mean(axis=0)
    draft = Draft.from_model(exact)
    ends = np.cumsum([layer.outputs for layer in layers])[:-1]
    for layer, shift in zip(layers, np.split(means, ends), strict=True):
        draft.constants[layer.weight_name] = stored[layer.name]
        draft.constants[layer.bias_name] = (constants[layer.bias_name] - shift).astype(np.float32)
    return draft.to_model()


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


def _switched(model: ModelProto, affines: Mapping[str, Quantization]) -> ModelProto:
    """The model with tensors rounded before everything that reads them, each if its place in a last input is true."""
    from onnx import TensorProto, helper

    draft = Draft.from_model(model)
    switches = draft.new_name("switches")
    draft.inputs.append(helper.make_tensor_value_info(switches, TensorProto.BOOL, [len(affines)]))
    for place, (name, affine) in enumerate(affines.items()):
        chosen = draft.new_name(f"{name}/chosen")
        draft.redirect(name, chosen)
        index = draft.add_constant(f"{name}/place", np.asarray(place, np.int64))
        switch = draft.put("Gather", [switches, index], f"{name}/switch", ())
        draft.add(make_node("Where", [switch, add_rounding(draft, name, affine), name], [chosen]))
    return draft.to_model()
