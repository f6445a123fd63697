"""Activation functions and normalisations that exporters write as several operators, as the one operator that they are.

Runtimes have one kernel for each of them, and in integers only the whole is well-behaved. Each pass is of the kind that
``edgekit.graph.passes`` describes, and is anchored at the last operator of its pattern.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.graph.draft import Draft
from edgekit.graph.messages import attributes, make_node

if TYPE_CHECKING:
    from onnx import NodeProto

CLOSE = 1e-3
"""Relative error of the constants that a pattern asks for: exporters round them to half precision, or to 4 digits."""


def min_max_to_clip(draft: Draft, node: NodeProto) -> bool:
    """Min and Max with a number are a Clip, and a Clip of a Clip or Relu is one Clip."""
    limits = clip_limits(draft, node)
    if limits is None or not draft.is_float(node.input[0]):
        return False
    source, low, high = limits
    below = clip_limits(draft, draft.producer(source)) if draft.only_use(source) is not None else None
    if below is not None and max(low, below[1]) <= min(high, below[2]):
        source, low, high = below[0], max(low, below[1]), min(high, below[2])
    elif node.op_type in ("Clip", "Relu"):
        return False
    bounds = [
        draft.add_constant(f"{node.output[0]}_{kind}", np.asarray(limit, np.float32)) if math.isfinite(limit) else ""
        for kind, limit in (("low", low), ("high", high))
    ]
    _put(draft, node, "Clip", [source, *bounds])
    return True


def clip_limits(draft: Draft, node: NodeProto | None) -> tuple[str, float, float] | None:
    """(source, low, high) of a node that clips to numbers: Relu, Clip, Min or Max with a constant."""
    if node is None:
        return None
    if node.op_type == "Relu":
        return str(node.input[0]), 0.0, math.inf
    if node.op_type == "Clip":
        low, high = draft.constant(node, 1), draft.constant(node, 2)
        are_numbers = all(limit.size == 1 for limit in (low, high) if limit is not None)
        if draft.computes(node, 1) or draft.computes(node, 2) or not are_numbers:
            return None
        lowest = -math.inf if low is None else float(low.item())
        return str(node.input[0]), lowest, math.inf if high is None else float(high.item())
    if node.op_type in ("Min", "Max"):
        variable, number = operand_and_number(draft, node)
        if variable is not None and number is not None:
            return (variable, -math.inf, number) if node.op_type == "Min" else (variable, number, math.inf)
    return None


def hard_sigmoid(draft: Draft, node: NodeProto) -> bool:
    """``clip(x + 3, 0, 6) / 6`` is a HardSigmoid with slope 1/6."""
    clipped, scale = _scaled(draft, node)
    limits = clip_limits(draft, draft.producer(clipped or ""))
    if limits is None or draft.only_use(clipped or "") is None:
        return False
    inner, low, high = limits
    source, shift = _shifted(draft, inner)
    if source is None or low != 0 or not _is_close(high * scale, 1.0) or not 0 <= shift * scale <= 1:
        return False
    _put(draft, node, "HardSigmoid", [source], alpha=scale, beta=shift * scale)
    return True


def hard_swish(draft: Draft, node: NodeProto) -> bool:
    """``x · HardSigmoid(x)`` with slope 1/6, also written ``x · clip(x + 3, 0, 6) / 6``, is HardSwish."""
    for source, other in _pairs(draft, node):
        maker = draft.producer(other)
        if maker is None or maker.op_type != "HardSigmoid" or maker.input[0] != source:
            continue
        options = attributes(maker)
        if _is_close(options.get("alpha", 0.2), 1 / 6) and _is_close(options.get("beta", 0.5), 0.5):
            _put(draft, node, "HardSwish", [source])
            return True
    product, scale = _scaled(draft, node)
    if product is None or not _is_close(scale, 1 / 6) or draft.only_use(product) is None:
        return False
    for source, other in _pairs(draft, draft.producer(product)):
        limits = clip_limits(draft, draft.producer(other))
        if limits is not None and limits[1:] == (0.0, 6.0) and _shifted(draft, limits[0]) == (source, 3.0):
            _put(draft, node, "HardSwish", [source])
            return True
    return False


def gelu(draft: Draft, node: NodeProto) -> bool:
    """``x · (1 + erf(x / √2)) / 2``, or its approximation by tanh, in any order of the factors, is Gelu."""
    if node.op_type not in ("Mul", "Div"):
        return False
    factors, number = _factors(draft, node.output[0])
    if len(factors) != 2 or not _is_close(number, 0.5):
        return False
    for source, other in (factors, factors[::-1]):
        inner, one = _shifted(draft, other)
        maker = draft.producer(inner) if inner else None
        if maker is None or one != 1.0 or maker.op_type not in ("Erf", "Tanh"):
            continue
        matches, form = (_is_erf_argument, None) if maker.op_type == "Erf" else (_is_tanh_argument, "tanh")
        if matches(draft, maker.input[0], source):
            _put(draft, node, "Gelu", [source], approximate=form)
            return True
    return False


def layer_norm(draft: Draft, node: NodeProto) -> bool:
    """``(x - mean) / √(variance + ε)`` over the last axes is LayerNormalization; its factor and shift follow."""
    if node.op_type != "Div" or len(node.input) != 2:
        return False
    root = draft.producer(node.input[1])
    if root is None or root.op_type != "Sqrt":
        return False
    variance, epsilon = _shifted(draft, root.input[0])
    mean_square = draft.producer(variance) if variance else None
    centred = node.input[0]
    subtraction = draft.producer(centred)
    if mean_square is None or subtraction is None or subtraction.op_type != "Sub" or not 0 < epsilon < 1:
        return False
    source = str(subtraction.input[0])
    mean = draft.producer(subtraction.input[1])
    square = draft.producer(mean_square.input[0])
    axes = _last_axes(draft, mean_square)
    same = mean is not None and mean.input[0] == source and axes is not None and axes == _last_axes(draft, mean)
    squared = square is not None and _power(draft, square) == (centred, 2)
    if not same or axes is None or not squared:
        return False
    scale = draft.add_constant(f"{node.output[0]}_scale", np.ones(draft.shapes[source][axes:], np.float32))
    axis = axes - len(draft.shapes[source])
    _put(draft, node, "LayerNormalization", [source, scale], axis=axis, epsilon=epsilon)
    return True


def layer_norm_affine(draft: Draft, node: NodeProto) -> bool:
    """The factor and the shift behind a LayerNormalization become its own."""
    if node.op_type not in ("Mul", "Add") or len(node.input) != 2:
        return False
    constant = next((name for name in node.input if name in draft.constants), None)
    maker = next((draft.producer(name) for name in node.input if name not in draft.constants), None)
    if constant is None or maker is None or maker.op_type != "LayerNormalization" or len(maker.output) > 1:
        return False
    scale = draft.constant(maker, 1)
    value, shift = draft.constants[constant], draft.constant(maker, 2)
    is_own = draft.only_use(maker.output[0]) is not None
    if scale is None or not is_own or np.broadcast_shapes(value.shape, scale.shape) != scale.shape:
        return False
    target = node.output[0]
    value = np.broadcast_to(value, scale.shape)
    if node.op_type == "Mul":
        names = [draft.add_constant(f"{target}_scale", np.asarray(scale * value))]
        names += [draft.add_constant(f"{target}_shift", np.asarray(shift * value))] if shift is not None else []
    else:
        total = value if shift is None else shift + value
        names = [maker.input[1], draft.add_constant(f"{target}_shift", np.array(total))]
    draft.set_inputs(maker, [maker.input[0], *names])
    return draft.bypass(node, maker.output[0])


def operand_and_number(draft: Draft, node: NodeProto | None) -> tuple[str | None, float | None]:
    """(the variable input, the number) of a node with two inputs of which one is a constant of one value."""
    if node is None or len(node.input) != 2:
        return None, None
    for position in range(2):
        constant = draft.constant(node, 1 - position)
        variable = str(node.input[position])
        is_number = constant is not None and constant.size == 1 and variable not in draft.constants
        if constant is not None and is_number and constant.ndim <= len(draft.shapes.get(variable, ())):
            return variable, float(constant.item())
    return None, None


def _put(draft: Draft, node: NodeProto, operator: str, inputs: list[str], **options: Any) -> None:
    """Put one operator in the place of the pattern that ends in ``node``."""
    before = list(node.input)
    draft.replace(node, make_node(operator, inputs, list(node.output), node.name, **options))
    for name in before:
        draft.drop_unread(name)


def _scaled(draft: Draft, node: NodeProto) -> tuple[str | None, float]:
    """(value, factor) of a node that multiplies a value by a number or divides it by one."""
    variable, number = operand_and_number(draft, node)
    if node.op_type == "Mul" and variable is not None and number is not None:
        return variable, number
    if node.op_type == "Div" and variable == node.input[0] and number:
        return variable, 1 / number
    return None, 1.0


def _shifted(draft: Draft, name: str) -> tuple[str | None, float]:
    """(value, number) of the Add or Sub that makes ``name`` from a value and a number."""
    node = draft.producer(name)
    variable, number = operand_and_number(draft, node)
    if node is None or variable is None or number is None:
        return None, 0.0
    if node.op_type == "Add":
        return variable, number
    return (variable, -number) if node.op_type == "Sub" and variable == node.input[0] else (None, 0.0)


def _pairs(draft: Draft, node: NodeProto | None) -> list[tuple[str, str]]:
    """The two factors of a Mul of variables, in both orders."""
    if node is None or node.op_type != "Mul" or any(name in draft.constants for name in node.input):
        return []
    one, other = node.input
    return [(one, other), (other, one)]


def _factors(draft: Draft, name: str, depth: int = 4) -> tuple[list[str], float]:
    """(variables, number) of a product: a few Mul and Div nodes are followed as long as nothing else reads them."""
    node = draft.producer(name)
    if node is None or node.op_type not in ("Mul", "Div") or depth == 0:
        return [name], 1.0
    variable, number = _scaled(draft, node)
    if variable is not None:
        names = [variable]
    elif node.op_type == "Mul" and _pairs(draft, node):
        names, number = list(node.input), 1.0
    else:
        return [name], 1.0
    found: list[str] = []
    for item in names:
        inner, factor = _factors(draft, item, depth - 1) if draft.only_use(item) is not None else ([item], 1.0)
        found += inner
        number *= factor
    return found, number


def _is_erf_argument(draft: Draft, name: str, source: str) -> bool:
    factors, number = _factors(draft, name)
    return factors == [source] and _is_close(number, 1 / math.sqrt(2))


def _is_tanh_argument(draft: Draft, name: str, source: str) -> bool:
    """True for ``√(2/π) · (x + 0.044715 · x³)``."""
    factors, number = _factors(draft, name)
    maker = draft.producer(factors[0]) if len(factors) == 1 else None
    if maker is None or maker.op_type != "Add" or source not in maker.input:
        return False
    other = next((item for item in maker.input if item != source), "")
    cubes, small = _factors(draft, other)
    power = draft.producer(cubes[0]) if len(cubes) == 1 else None
    is_cube = cubes == [source] * 3 or (power is not None and _power(draft, power) == (source, 3))
    return is_cube and _is_close(small, 0.044715) and _is_close(number, math.sqrt(2 / math.pi))


def _power(draft: Draft, node: NodeProto) -> tuple[str, int]:
    """(value, exponent) of a Pow by a whole number or of a value times itself; exponent 0 for everything else."""
    if node.op_type == "Pow":
        exponent = draft.constant(node, 1)
        if exponent is not None and exponent.size == 1 and float(exponent.item()).is_integer():
            return str(node.input[0]), int(exponent.item())
    if node.op_type == "Mul" and node.input[0] == node.input[1]:
        return str(node.input[0]), 2
    return "", 0


def _last_axes(draft: Draft, node: NodeProto) -> int | None:
    """The first of the axes of a ReduceMean that keeps its axes, if these are the last ones."""
    if node.op_type != "ReduceMean" or not attributes(node).get("keepdims", 1):
        return None
    rank = len(draft.shapes.get(node.input[0], ()))
    given = draft.constant(node, 1) if len(node.input) > 1 else attributes(node).get("axes")
    axes = sorted(int(axis) % rank for axis in given) if given is not None and rank else []
    return axes[0] if axes and axes == list(range(axes[0], rank)) else None


def _is_close(value: float, wanted: float) -> bool:
    return math.isclose(value, wanted, rel_tol=CLOSE)


def unmasked_attention(draft: Draft, node: NodeProto) -> bool:
    """``Where(IsNaN(x), 0, x)`` is x, a Softmax of products: only a row that is masked altogether has no numbers."""
    test = draft.producer(node.input[0]) if node.op_type == "Where" else None
    softmax = draft.producer(node.input[2]) if test is not None and test.op_type == "IsNaN" else None
    if test is None or softmax is None or softmax.op_type != "Softmax" or test.input[0] != node.input[2]:
        return False
    scores = draft.producer(softmax.input[0])
    while scores is not None and scores.op_type in ("Mul", "Div"):
        scores = draft.producer(operand_and_number(draft, scores)[0] or "")
    return scores is not None and scores.op_type == "MatMul" and draft.bypass(node, node.input[2])


PATTERNS = (unmasked_attention, min_max_to_clip, hard_sigmoid, hard_swish, gelu, layer_norm, layer_norm_affine)
