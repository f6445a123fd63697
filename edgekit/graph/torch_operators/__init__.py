"""ONNX operators as differentiable functions of torch tensors, by name: those that a prepared graph may hold."""

from __future__ import annotations

from collections.abc import Mapping

from edgekit.graph.torch_operators.call import Call, Operator
from edgekit.graph.torch_operators.elementwise import ELEMENTWISE
from edgekit.graph.torch_operators.movement import MOVEMENT
from edgekit.graph.torch_operators.products import PRODUCTS
from edgekit.graph.torch_operators.resize import resize
from edgekit.graph.torch_operators.windows import WINDOWS

__all__ = ["OPERATORS", "Call", "Operator"]

OPERATORS: Mapping[str, Operator] = {**WINDOWS, **ELEMENTWISE, **PRODUCTS, **MOVEMENT, "Resize": resize}
