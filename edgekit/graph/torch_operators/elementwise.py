"""Operators that compute each element by itself: activation functions, arithmetic with broadcasting, comparisons."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import torch
from torch import Tensor
from torch.nn import functional as F

from edgekit.graph.torch_operators.call import Call, Operator
from edgekit.operators.composites import SELU

_FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    **{name: getattr(F, name.lower()) for name in ("HardSwish", "Mish", "Relu", "Softplus", "Softsign")},
    **{name: getattr(torch, name.lower()) for name in ("Abs", "Add", "Ceil", "Cos", "Div", "Erf", "Exp", "Floor")},
    **{name: getattr(torch, name.lower()) for name in ("Greater", "Less", "Log", "Mul", "Neg", "Pow", "Reciprocal")},
    **{name: getattr(torch, name.lower()) for name in ("Round", "Sigmoid", "Sign", "Sin", "Sqrt", "Sub", "Tanh")},
    **{name: getattr(torch, f"logical_{name.lower()}") for name in ("And", "Not", "Or")},
    "Equal": torch.eq,
    "GreaterOrEqual": torch.greater_equal,
    "LessOrEqual": torch.less_equal,
    "PRelu": lambda x, slope: torch.where(x >= 0, x, slope * x),
    "Where": torch.where,
}
"""What is one function of all inputs."""

_DTYPES = {1: torch.float32, 6: torch.int32, 7: torch.int64, 9: torch.bool, 11: torch.float32}
"""ONNX's element types; double precision is computed in single, as in a prepared model."""


def clip(call: Call) -> Tensor:
    """Clip; an absent bound is none."""
    low, high = call.optional(1), call.optional(2)
    return call.x if low is None and high is None else torch.clamp(call.x, low, high)


def cast(call: Call) -> Tensor:
    """Cast between the types that a prepared model has."""
    kind = call.get("to", 1)
    if kind not in _DTYPES:
        raise call.unsupported(f"it casts to ONNX's element type {kind}")
    return call.x.to(_DTYPES[kind])


def _of_all(function: Callable[..., Tensor]) -> Operator:
    return lambda call: function(*call.all())


def _folded(function: Callable[[Tensor, Tensor], Tensor]) -> Operator:
    """An operator over any number of inputs."""
    return lambda call: reduce(function, call.all())


ELEMENTWISE: dict[str, Operator] = {
    **{name: _of_all(function) for name, function in _FUNCTIONS.items()},
    "Cast": cast,
    "Celu": lambda call: F.celu(call.x, call.get("alpha", 1.0)),
    "Clip": clip,
    "Elu": lambda call: F.elu(call.x, call.get("alpha", 1.0)),
    "Gelu": lambda call: F.gelu(call.x, approximate=call.get("approximate", "none")),
    "HardSigmoid": lambda call: torch.clamp(call.get("alpha", 0.2) * call.x + call.get("beta", 0.5), 0, 1),
    "LeakyRelu": lambda call: F.leaky_relu(call.x, call.get("alpha", 0.01)),
    "Max": _folded(torch.maximum),
    "Mean": lambda call: reduce(torch.add, call.all()) / len(call.inputs),
    "Min": _folded(torch.minimum),
    "Selu": lambda call: F.elu(call.x, call.get("alpha", SELU["alpha"])) * call.get("gamma", SELU["gamma"]),
}
