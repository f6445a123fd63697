"""Functions of one value: LOGISTIC, TANH, RELU, RELU6 and QUANTIZE as tables of 256 bytes; reals at the border."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from edgekit.conversion.c.exponential import LARGEST
from edgekit.conversion.c.exponential import logistic as logistic_of
from edgekit.conversion.c.exponential import tanh as tanh_of
from edgekit.conversion.c.fixed_point import Factor, halved
from edgekit.conversion.c.layer import Layer, Site, array, ctype, plus, real
from edgekit.scales import INT8_MIN, Quantization

INTEGER_BITS = 4
"""Before the point of what LOGISTIC and TANH are given."""
NEAREST_STEP = """\
/* The nearest whole number, halves away from zero, from a zero point on, within limits; the lowest of what is none. */
static inline int32_t nearest_step(float steps, int32_t zero_point, int32_t low, int32_t high)
{
    const float inside = steps > -1024.0f ? (steps < 1024.0f ? steps : 1024.0f) : -1024.0f;
    const int32_t whole = (int32_t)inside;
    const float rest = inside - (float)whole;
    const int32_t stored = zero_point + whole + (rest >= 0.5f) - (rest <= -0.5f);
    return stored < low ? low : stored > high ? high : stored;
}
"""


def logistic(site: Site) -> Layer:
    """LOGISTIC, of which 8 bits are stored."""
    return _squashed(site, logistic_of, 8, Quantization.per_tensor(1 / 256, INT8_MIN))


def tanh(site: Site) -> Layer:
    """TANH, of which 7 bits and the sign are stored."""
    return _squashed(site, tanh_of, 7, Quantization.per_tensor(1 / 128, 0))


def quantize(site: Site) -> Layer:
    """QUANTIZE from one scale, or one type, to another; of reals the nearest step, halves away from zero."""
    if site.inputs[0].dtype == "float32":
        limits = np.iinfo(site.output.dtype)
        stored = (
            f"({ctype(site.output)})nearest_step(in[i] / {real(site.quant().scale)}, {site.quant().zero_point}, "
            f"{limits.min}, {limits.max})"
        )
        return Layer(_each(site, stored), helpers=(NEAREST_STEP,))
    factor = Factor.of(site.quant(0).scale / site.quant().scale)
    return _table(site, factor.times)


def dequantize(site: Site) -> Layer:
    """DEQUANTIZE."""
    distance = plus("in[i]", -site.quant(0).zero_point)
    return Layer(_each(site, f"(float)({distance}) * {real(site.quant(0).scale)}"))


def relu(site: Site) -> Layer:
    """RELU, to any scale."""
    factor = Factor.of(site.quant(0).scale / site.quant().scale)
    return _table(site, lambda distance: max(factor.times(distance), 0))


def relu6(site: Site) -> Layer:
    """RELU6."""
    if site.quant() != site.quant(0):
        raise site.refusal("has another scale behind it than before it")
    six = math.floor(float(np.float32(6) / np.float32(site.quant().scale)) + 0.5)
    return _table(site, lambda distance: min(max(distance, 0), six))


def _squashed(site: Site, function: Callable[[int, int], int], bits: int, stored: Quantization) -> Layer:
    """A function of which ``bits`` behind the point are stored; far from zero it is its limit."""
    if site.quant() != stored:
        raise site.refusal(f"has another scale than 1/{1 << bits} behind it")
    one = 1 << (31 - INTEGER_BITS)
    factor = Factor.of(min(site.quant(0).scale * one, LARGEST))
    radius = ((1 << INTEGER_BITS) - 1) * one >> factor.left

    def result(distance: int) -> int:
        if abs(distance) >= radius:
            return 256 if distance > 0 else -256
        return halved(function(factor.times(distance), INTEGER_BITS), 31 - bits)

    return _table(site, result)


def _table(site: Site, result: Callable[[int], int]) -> Layer:
    """The results' distances from their zero point by those of the values, for all values that there are."""
    start, end = site.quant(0).zero_point, site.quant().zero_point
    values, results = (np.iinfo(item.dtype) for item in (site.inputs[0], site.output))
    found = [result(value - start) + end for value in range(values.min, values.max + 1)]
    name = f"{site.name}_table"
    table = array(ctype(site.output), name, np.clip(np.array(found), results.min, results.max))
    return Layer(_each(site, f"{name}[{plus('in[i]', -int(values.min))}]"), (table,))


def _each(site: Site, result: str) -> str:
    """The loop that makes each result."""
    return f"    for (int i = 0; i < {math.prod(site.output.shape)}; ++i) {{\n        out[i] = {result};\n    }}\n"


KERNELS = {
    "LOGISTIC": logistic,
    "TANH": tanh,
    "RELU": relu,
    "RELU6": relu6,
    "QUANTIZE": quantize,
    "DEQUANTIZE": dequantize,
}
