"""SOFTMAX in integers: exponentials of all differences stand in a table, and a row is divided by their sum.

The arithmetic is TFLite's reference: exponentials by gemmlowp's ``exp_on_negative_values`` (fixed point, 31 bits), sums
with 12 bits before the point, the reciprocal by three steps of Newton's method.
"""

from __future__ import annotations

import math

import numpy as np

from edgekit.conversion.c.exponential import LARGEST, exponential
from edgekit.conversion.c.fixed_point import SCALED, Factor, product
from edgekit.conversion.c.layer import CLAMPED, Layer, Site, array
from edgekit.scales import INT8_MIN, Quantization

PROBABILITIES = Quantization.per_tensor(1 / 256, INT8_MIN)
"""How the specification stores them."""
DIFFERENCES = 256
INTEGER_BITS = 5
"""Before the point of a difference."""
RECIPROCAL = """\
/* 2^31 / (1 + (sum - 1)) of a sum >= 1 with 12 bits before the point, brought into [1, 2) by places to the left. */
static inline int32_t reciprocal(int32_t sum, int *places)
{
    uint32_t high = (uint32_t)sum;
    int zeros = 0;
    while (!(high & (UINT32_C(1) << 31))) {
        high <<= 1;
        ++zeros;
    }
    *places = 12 - zeros;
    const int32_t half = (int32_t)((((int64_t)(high - (UINT32_C(1) << 31))) + INT32_MAX + 1) / 2);
    int32_t x = 1515870810 + scaled(half, -1010580540, 0);
    for (int step = 0; step < 3; ++step) {
        x += scaled(x, (1 << 29) - scaled(half, x, 0), 0) * 4;
    }
    return x > (INT32_MAX >> 1) ? INT32_MAX : x * 2;
}
"""


def softmax(site: Site) -> Layer:
    """SOFTMAX over the last axis."""
    if site.quant() != PROBABILITIES:
        raise site.refusal("has another scale than 1/256 behind it")
    options = site.operator.options
    beta = float(options.fields.get("Beta", 1.0)) if options else 1.0
    table = _exponentials(beta * site.quant(0).scale)
    depth = site.output.shape[-1]
    rows = math.prod(site.output.shape[:-1])
    name = f"{site.name}_exponential"
    body = f"""\
    for (int row = 0; row < {rows}; ++row, in += {depth}, out += {depth}) {{
        int32_t sum = 0;
        int highest = in[0], places;
        for (int i = 1; i < {depth}; ++i) {{
            highest = in[i] > highest ? in[i] : highest;
        }}
        for (int i = 0; i < {depth}; ++i) {{
            const int32_t term = {name}[highest - in[i]];
            sum += (term >> 12) + ((term >> 11) & 1);
        }}
        const int32_t factor = reciprocal(sum, &places);
        for (int i = 0; i < {depth}; ++i) {{
            const int32_t share = places > 8 ? 0 : scaled(factor, {name}[highest - in[i]], places + 23);
            out[i] = clamped(share - 128, -128, 127);
        }}
    }}
"""
    return Layer(body, (array("int32_t", name, table),), helpers=(SCALED, CLAMPED, RECIPROCAL))


def _exponentials(scale: float) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """exp(-d · scale) in 31 bits for d = 0 ... 255; 0 where a difference needs more than five bits before the point."""
    factor = Factor.of(min(scale * (1 << (31 - INTEGER_BITS)), LARGEST))
    radius = math.floor(((1 << INTEGER_BITS) - 1) * (1 << (31 - INTEGER_BITS)) / (1 << factor.left))
    return np.array(
        [
            exponential(product(-difference << factor.left, factor.mantissa), INTEGER_BITS)
            if difference <= radius
            else 0
            for difference in range(DIFFERENCES)
        ]
    )


KERNELS = {"SOFTMAX": softmax}
