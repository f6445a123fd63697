"""Functions of one value that TFLite has no operator for: several of its operators each, in float."""

from __future__ import annotations

from edgekit.operators.lowering import Lowering
from edgekit.operators.nodes import Node
from edgekit.operators.operator import PLAIN, Operator

SELU = {"alpha": 1.67326319217681884765625, "gamma": 1.05070102214813232421875}
"""The defaults of ONNX."""


class Chain:
    """Operators on tensors like a node's result, one after the other."""

    def __init__(self, low: Lowering, node: Node) -> None:
        self.low, self.number = low, low.number
        self.source, self.target = low.in_place(node)

    def apply(self, code: str, *operands: int, last: bool = False) -> int:
        """Append an operator; the last one writes the node's result."""
        result = self.target if last else self.low.alike(self.target)
        self.low.compute(code, operands, result)
        return result

    def softplus(self, last: bool = False) -> int:
        """``log(1 + exp(x)) = max(x, 0) - log(sigmoid(|x|))``, in which nothing overflows."""
        tail = self.apply("LOG", self.apply("LOGISTIC", self.apply("ABS", self.source)))
        return self.apply("SUB", self.apply("RELU", self.source), tail, last=last)

    def elu(self, alpha: float, last: bool = False) -> int:
        """``max(x, 0) + alpha · min(elu(x), 0)``."""
        below = self.apply("MINIMUM", self.apply("ELU", self.source), self.number(0))
        scaled = self.apply("MUL", below, self.number(alpha))
        return self.apply("ADD", self.apply("RELU", self.source), scaled, last=last)


def softplus(low: Lowering, node: Node) -> None:
    """Softplus, log(1 + exp(x)) → ABS, LOGISTIC, LOG, RELU, SUB."""
    Chain(low, node).softplus(last=True)


def mish(low: Lowering, node: Node) -> None:
    """Mish, x · tanh(softplus(x)) → Softplus's operators, TANH, MUL."""
    chain = Chain(low, node)
    chain.apply("MUL", chain.source, chain.apply("TANH", chain.softplus()), last=True)


def softsign(low: Lowering, node: Node) -> None:
    """Softsign, x / (1 + |x|) → ABS, ADD, DIV."""
    chain = Chain(low, node)
    chain.apply("DIV", chain.source, chain.apply("ADD", chain.apply("ABS", chain.source), chain.number(1)), last=True)


def reciprocal(low: Lowering, node: Node) -> None:
    """Reciprocal → DIV."""
    chain = Chain(low, node)
    chain.apply("DIV", chain.number(1), chain.source, last=True)


def selu(low: Lowering, node: Node) -> None:
    """Selu → ELU with a factor below 0, and a factor for all."""
    chain = Chain(low, node)
    alpha, gamma = (node.attributes.get(name, value) for name, value in SELU.items())
    chain.apply("MUL", chain.elu(alpha), chain.number(gamma), last=True)


def elu(low: Lowering, node: Node) -> None:
    """Elu → ELU; with a factor below 0 that is not 1 → ELU, MINIMUM, MUL, RELU, ADD, in float only."""
    alpha = node.attributes.get("alpha", 1.0)
    if alpha != 1:
        if low.is_quantized(node):
            raise low.refusal(node, f"has an alpha of {alpha}, which is not 1, in integers")
        Chain(low, node).elu(alpha, last=True)
        return
    source, target = low.in_place(node)
    low.emit("ELU", (source,), target)


OPERATORS = (
    Operator("Softplus", softplus, per_value=True),
    Operator("Mish", mish, per_value=True),
    Operator("Softsign", softsign, per_value=True),
    Operator("Reciprocal", reciprocal, per_value=True),
    Operator("Selu", selu, per_value=True),
    Operator("Elu", elu, PLAIN, per_value=True),
)
