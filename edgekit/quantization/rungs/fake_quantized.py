"""The QDQ graph itself as a trainable torch module: what its file computes, with gradients through the roundings.

Rounding is passed over by the gradient (straight-through: Bengio et al. 2013). Scales learn too, by the gradient of
Esser et al. 2020 ("Learned Step Size Quantization"). Weights are kept in units of their own steps and scales as
exponents, so that one learning rate suits layers of any size, and no scale can become negative.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from edgekit.graph.draft import Draft
from edgekit.graph.messages import constants_of, makers_of
from edgekit.graph.torch_module import GraphModule, Step
from edgekit.graph.torch_operators import OPERATORS, Call, Operator
from edgekit.operators import row_of
from edgekit.quantization.plan import Plan, QuantizedWeights
from edgekit.quantization.qdq import insert_qdq
from edgekit.scales import BIAS_LIMIT, Quantization, Reals

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto


BOUNDARIES = ("QuantizeLinear", "DequantizeLinear")
MAX_EXPONENT = 2.0
"""A scale stays within a factor of e² of where it started: far enough, and no runtime's multiplier leaves its range."""


def is_held(node: NodeProto) -> bool:
    """True for what ``insert_qdq`` puts behind a float operator: a Max of nothing else."""
    return node.op_type == "Max" and len(node.input) == 1


@dataclass(frozen=True)
class Trainable:
    """A parameter and the size that its values have: a learning rate is a share of it."""

    parameter: nn.Parameter
    size: float
    is_scale: bool = False


class QuantizedModule(GraphModule):
    """A prepared float model under a plan, quantized as the file that ``insert_qdq`` writes.

    It takes and gives real values, as the file with ``float32`` in and out does. In evaluation mode (``eval()``) layers
    add integers, as runtimes do; in training mode they add real values, which may end beside a rounding's border.

    Raises:
        UnsupportedError: the model has an operator that cannot be trained.
    """

    def __init__(self, model: ModelProto, plan: Plan) -> None:
        quantized = insert_qdq(model, plan, "float32")
        super().__init__(quantized, _OPERATORS)
        self.model, self.plan = model, plan
        self.activation_scales = nn.ModuleDict()
        self.scale_keys: dict[str, str] = {}
        self.integer_layers = nn.ModuleList()
        self._read_layers(quantized)
        self._read_scales(quantized)
        self._settle_constants()

    def is_batched(self) -> bool:
        """True if the float graph computes a batch as each sample alone; here, a rounding may fall to either side."""
        if self._batched is None:
            self._batched = GraphModule(self.model).is_batched()
        return self._batched

    def given(self) -> dict[str, Tensor]:
        """Constants, learned scales, and every layer's weights and bias as they are stored."""
        values = super().given()
        values.update((name, self.activation_scales[key]()) for name, key in self.scale_keys.items())
        for layer in self.layers():
            values.update(layer.values(values[layer.place.input_scale]))
        return values

    def trainables(self, scales: bool) -> list[Trainable]:
        """What is learned: weights, biases and, if wanted, ``scales``."""
        found = [Trainable(value, _size(value) or 1.0) for value in self.learned.parameters()]
        for layer in self.layers():
            found.append(Trainable(layer.weight, layer.limit))
            if layer.bias is not None:
                found.append(Trainable(layer.bias, _size(layer.bias) or layer.largest))
        return found + ([Trainable(scale.exponent, 1.0, is_scale=True) for scale in self.scales()] if scales else [])

    def layers(self) -> list[IntegerLayer]:
        """The operators with integer weights."""
        return [module for module in self.modules() if isinstance(module, IntegerLayer)]

    def scales(self) -> list[LearnedScale]:
        """All scales that can be learned, of activations and of weights."""
        return [module for module in self.modules() if isinstance(module, LearnedScale)]

    @torch.no_grad()
    def settle(self) -> None:
        """Bring weights and scales back to what can be stored, after each step of an optimizer."""
        for layer in self.layers():
            layer.weight.clamp_(-layer.limit, layer.limit)
        for scale in self.scales():
            scale.exponent.clamp_(-MAX_EXPONENT, MAX_EXPONENT)

    @torch.no_grad()
    def read_out(self) -> tuple[ModelProto, Plan]:
        """The float model with the weights as they are now, and the plan that stores them as simulated here."""
        scales = {self._start[name]: self.activation_scales[key]().item() for name, key in self.scale_keys.items()}
        affines = {name: replace(a, scales=(scales.get(a.scale, a.scale),)) for name, a in self.plan.affines.items()}
        values, weights, reals = self.given(), {}, dict(self.parameter_arrays())
        names: dict[tuple[str, int], str] = {}
        for layer in self.layers():
            output = layer.place.output
            weights[output] = stored = layer.stored(values[layer.place.input_scale])
            names[output, 1] = f"{output}_finetuned_weight"
            reals[names[output, 1]] = stored.real
            if layer.bias is not None:
                names[output, 2] = f"{output}_finetuned_bias"
                reals[names[output, 2]] = layer.bias.numpy().copy()
        return _with_constants(self.model, names, reals), replace(self.plan, affines=affines).with_weights(weights)

    def _read_layers(self, quantized: ModelProto) -> None:
        """Make a layer of each operator that reads integer weights."""
        reals = constants_of(self.model)
        operators = [node for node in quantized.graph.node if node.op_type not in BOUNDARIES and not is_held(node)]
        made = makers_of(quantized.graph.node)
        for node, original in zip(operators, self.model.graph.node, strict=True):
            reader = made.get(node.input[1]) if row_of(original.op_type).weights else None
            if reader is None or reader.op_type != "DequantizeLinear" or reader.input[0] not in self.constants:
                continue
            has_bias = len(original.input) > 2 and original.input[2] != ""
            bias_name = str(node.input[2]) if has_bias else ""
            place = Place(original.output[0], node.input[1], bias_name, made[node.input[0]].input[1])
            bias = reals[original.input[2]] if has_bias else None
            weights = self.plan.weights_of(original, reals)
            layer = IntegerLayer(
                place, weights, reals[original.input[1]], bias, self.plan.scheme.most(original.op_type)
            )
            self.integer_layers.append(layer)
            kept = (step for step in self.steps if not {place.weight, place.bias} & set(step.outputs))
            self.steps = [self._integer(step, layer) if step.outputs[0] == node.output[0] else step for step in kept]

    def _integer(self, step: Step, layer: IntegerLayer) -> Step:
        """The step of a layer, computed on integers when the module is in evaluation mode."""

        def operator(call: Call) -> Tensor | tuple[Tensor, ...]:
            inner = replace(call, inputs=call.inputs[:-1])
            return step.operator(inner) if self.training else layer.exact(inner, call.inputs[-1], step.operator)

        return replace(step, operator=operator, inputs=(*step.inputs, layer.place.input_scale))

    def _read_scales(self, quantized: ModelProto) -> None:
        """Make the scales of activations learnable, except those that inputs, constants or the specification fix."""
        graph = self.model.graph
        rules = (row_of(node.op_type).int8 for node in graph.node)
        fixed = {rule.output.scale for rule in rules if rule and rule.output}
        fixed |= {self.plan.affines[item.name].scale for item in graph.input if item.name in self.plan.affines}
        free = {affine.scale for affine in self.plan.affines.values()} - fixed
        held = {step.inputs[1] for step in self.steps if self._is_constant(step)}
        self._start: dict[str, float] = {}
        for node in quantized.graph.node:
            if node.op_type == "QuantizeLinear" and node.input[1] not in {*self.scale_keys, *held}:
                value = self.constants[node.input[1]]
                start = next((scale for scale in free if np.float32(scale) == value.item()), None)
                if start is not None:
                    self.scale_keys[node.input[1]] = key = f"s{len(self.scale_keys)}"
                    self.activation_scales[key], self._start[node.input[1]] = LearnedScale(value), start

    def _settle_constants(self) -> None:
        """Compute the other stored constants once."""
        for step in filter(self._is_constant, self.steps):
            stored, scale, zero = (self.constants[name] for name in step.inputs)
            self.constants[step.outputs[0]] = (stored.float() - zero) * scale
        self.steps = [step for step in self.steps if not self._is_constant(step)]

    def _is_constant(self, step: Step) -> bool:
        return step.op_type == "DequantizeLinear" and step.inputs[0] in self.constants


class LearnedScale(nn.Module):
    """A positive scale, or one per channel, as ``start · exp(exponent)``."""

    start: Tensor

    def __init__(self, start: Tensor) -> None:
        super().__init__()
        self.register_buffer("start", start)
        self.exponent = nn.Parameter(torch.zeros_like(start))

    def forward(self) -> Tensor:
        """The scale as it is now."""
        return self.start * self.exponent.exp()


@dataclass(frozen=True)
class Place:
    """Where an operator with integer weights is: its output's name in the model, and its operands' in the QDQ graph."""

    output: str
    weight: str
    bias: str
    input_scale: str


class IntegerLayer(nn.Module):
    """The weights of one operator in units of their steps, its scales and its bias.

    Args:
        place: the operator.
        weights: as they are stored at the start.
        reals: the weights of the float model, in the same shape.
        bias: float32 [channels], or None.
        limit: the largest magnitude of a stored weight.
    """

    def __init__(self, place: Place, weights: QuantizedWeights, reals: Reals, bias: Reals | None, limit: int) -> None:
        super().__init__()
        own = weights.quantization
        self.place, self.axis, self.limit = place, own.axis, limit
        self.scale = LearnedScale(torch.tensor(own.scales))
        exact = np.clip(reals / own.along(reals.ndim)[0], -limit, limit)
        # Where the plan rounds a weight otherwise than to the nearest, its decision is the start.
        start = np.where(np.rint(exact) == weights.stored, exact, weights.stored)
        self.weight = nn.Parameter(torch.from_numpy(start.astype(np.float32)))
        self.bias = None if bias is None else nn.Parameter(torch.from_numpy(bias.copy()))

    def values(self, input_scale: Tensor) -> dict[str, Tensor]:
        """Weights and bias by their names in the QDQ graph, as the file stores them."""
        scales = self._scales(input_scale)
        along = scales.reshape([-1 if axis == self.axis else 1 for axis in range(self.weight.ndim)])
        found = {self.place.weight: _through(self.weight, self.weight.round()) * along}
        if self.bias is not None:
            units = (scales * input_scale).detach().double()
            found[self.place.bias] = _through(self.bias, ((self.bias.double() / units).round() * units).float())
        return found

    def exact(self, call: Call, input_scale: Tensor | None, operator: Operator) -> Tensor:
        """The layer's result from sums of integers, as runtimes make them: of floats, they would end a bit beside."""
        assert input_scale is not None
        scales = self._scales(input_scale)
        units = (scales * input_scale).double()
        sums = operator(replace(call, inputs=((call.x / input_scale).round(), self.weight.round())))
        assert isinstance(sums, Tensor)
        shape = [1, -1, *[1] * (sums.ndim - 2)]
        bias = 0 if self.bias is None else (self.bias.double() / units).round().reshape(shape)
        return ((sums.double() + bias) * units.reshape(shape)).float()

    @property
    def largest(self) -> float:
        """The largest real value that a weight can take."""
        return float(self.scale().detach().max()) * self.limit

    def stored(self, input_scale: Tensor) -> QuantizedWeights:
        """The integers and scales as they are now."""
        stored = self.weight.round().to(torch.int8).numpy().copy()
        return QuantizedWeights(stored, Quantization.symmetric(self._scales(input_scale).numpy(), self.axis))

    def _scales(self, input_scale: Tensor) -> Tensor:
        """The scales, raised where the bias would not fit into its int32 otherwise."""
        scales: Tensor = self.scale()
        if self.bias is None:
            return scales
        needed = self.bias.detach().double().abs() / (input_scale.detach().double() * BIAS_LIMIT)
        return torch.maximum(scales, (needed if scales.numel() > 1 else needed.max()).float())


class _FakeQuantize(torch.autograd.Function):
    """Real values to the nearest that can be stored; the gradient of Esser et al. 2020 for values and scale.

    Only ``x`` is kept for the way back, which the operator before keeps anyway: everything else is computed again.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, low: int, high: int) -> Tensor:
        ctx.save_for_backward(x, scale)
        ctx.limits = low, high
        return (x / scale).round_().clamp_(low, high).mul_(scale)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,), (x, scale) = gradients, ctx.saved_tensors
        steps = x / scale
        rounded = steps.round()
        stored = rounded.clamp(*ctx.limits)
        passed = gradient * (rounded == stored)
        if not ctx.needs_input_grad[1]:
            return passed, None, None, None
        return passed, (gradient * stored).sum() - (passed * steps).sum(), None, None


def _quantize(call: Call) -> Tensor:
    """QuantizeLinear and the DequantizeLinear after it, which has the same scale."""
    zero = call.input(2)
    limits = torch.iinfo(zero.dtype)
    point = int(zero)
    fake: Tensor = _FakeQuantize.apply(call.x, call.input(1), limits.min - point, limits.max - point)  # type: ignore[no-untyped-call]
    return fake


_OPERATORS: Mapping[str, Operator] = {**OPERATORS, "QuantizeLinear": _quantize, "DequantizeLinear": lambda call: call.x}


def _through(value: Tensor, rounded: Tensor) -> Tensor:
    """``rounded`` with the gradient of ``value``."""
    return value + (rounded - value).detach()


def _size(value: Tensor) -> float:
    return float(value.detach().abs().max())


def _with_constants(model: ModelProto, names: Mapping[tuple[str, int], str], reals: Mapping[str, Any]) -> ModelProto:
    """A copy of the model that reads new constants: ``names`` by operator output and input position."""
    draft = Draft.from_model(model)
    draft.constants.update(reals)
    for node in draft.nodes:
        for position in (1, 2):
            if (node.output[0], position) in names:
                draft.set_input(node, position, names[node.output[0], position])
    draft.drop_unused()
    return draft.to_model()
