"""Functions of one value, as tables of 256 bytes: LOGISTIC, TANH, and QUANTIZE to another scale."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from edgekit.conversion.c.exponential import LARGEST
from edgekit.conversion.c.exponential import logistic as logistic_of
from edgekit.conversion.c.exponential import tanh as tanh_of
from edgekit.conversion.c.fixed_point import Factor, halved
from edgekit.conversion.c.layer import Layer, Site, array
from edgekit.scales import INT8_MAX, INT8_MIN, Quantization

INTEGER_BITS = 4
"""Before the point of what LOGISTIC and TANH are given."""


def logistic(site: Site) -> Layer:
    """LOGISTIC, of which 8 bits are stored."""
    return _squashed(site, logistic_of, 8, Quantization.per_tensor(1 / 256, INT8_MIN))


def tanh(site: Site) -> Layer:
    """TANH, of which 7 bits and the sign are stored."""
    return _squashed(site, tanh_of, 7, Quantization.per_tensor(1 / 128, 0))


def quantize(site: Site) -> Layer:
    """QUANTIZE from one scale to another."""
    factor = Factor.of(site.quant(0).scale / site.quant().scale)
    return _table(site, factor.times)


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
    results = [result(value - start) + end for value in range(INT8_MIN, INT8_MAX + 1)]
    name = f"{site.name}_table"
    body = (
        f"    for (int i = 0; i < {math.prod(site.output.shape)}; ++i) {{\n"
        f"        out[i] = {name}[in[i] + 128];\n"
        "    }\n"
    )
    return Layer(body, (array("int8_t", name, np.clip(np.array(results), INT8_MIN, INT8_MAX)),))


KERNELS = {"LOGISTIC": logistic, "TANH": tanh, "QUANTIZE": quantize}
