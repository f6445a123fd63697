"""AVERAGE_POOL_2D and MAX_POOL_2D; MEAN and REDUCE_MAX over axes that are neighbours."""

from __future__ import annotations

import math
from textwrap import indent

from edgekit.conversion.c.fixed_point import Factor
from edgekit.conversion.c.layer import CLAMPED, RESCALING, Layer, Site, rescaled
from edgekit.conversion.c.windows import Loops

NEAREST = """\
/* The nearest whole number to sum / count, halves away from zero. */
static inline int32_t nearest(int32_t sum, int32_t count)
{
    return (sum > 0 ? sum + count / 2 : sum - count / 2) / count;
}
"""


def average_pool_2d(site: Site) -> Layer:
    """AVERAGE_POOL_2D: the mean of what of the window lies in the image."""
    low, high = site.range
    body = (
        "        int32_t sum = 0;\n{taps}"
        "        const int32_t count = (end_row - first_row) * (end_column - first_column);\n"
        f"        out[c] = clamped(nearest(sum, count), {low}, {high});\n"
    )
    return _pool(site, "sum += pixel[c];\n", body, (CLAMPED, NEAREST))


def max_pool_2d(site: Site) -> Layer:
    """MAX_POOL_2D."""
    low, high = site.range
    body = f"        int32_t most = INT8_MIN;\n{{taps}}        out[c] = clamped(most, {low}, {high});\n"
    return _pool(site, "most = pixel[c] > most ? pixel[c] : most;\n", body, (CLAMPED,))


def mean(site: Site) -> Layer:
    """MEAN: the count is part of the factor."""
    count = spans(site)[1]
    factor = Factor.of(site.quant(0).scale / site.quant().scale)
    shift = min(count.bit_length() - 1, 31 + factor.exponent)
    factor = Factor((factor.mantissa << shift) // count, factor.exponent - shift)
    start = str(-site.quant(0).zero_point * count)
    return Layer(
        reduction(site, "int32_t", start, "sum + value", "sum", rescaled(site, "sum", factor)), helpers=RESCALING
    )


def reduce_max(site: Site) -> Layer:
    """REDUCE_MAX."""
    if site.quant(0) != site.quant():
        raise site.refusal("has another scale behind it than before it")
    return Layer(reduction(site, "int32_t", "INT8_MIN", "value > most ? value : most", "most", "(int8_t)most"))


def spans(site: Site) -> tuple[int, int, int]:
    """How many places there are before the axes that are reduced, in them, and behind them."""
    sizes, axes = site.inputs[0].shape, site.inputs[1].data
    reduced = sorted({axis % len(sizes) for axis in axes.reshape(-1).tolist()}) if axes is not None else []
    if not reduced or reduced != list(range(reduced[0], reduced[-1] + 1)):
        raise site.refusal("goes over axes that are no neighbours")
    first, end = reduced[0], reduced[-1] + 1
    return math.prod(sizes[:first]), math.prod(sizes[first:end]), math.prod(sizes[end:])


def reduction(site: Site, kind: str, start: str, step: str, name: str, result: str) -> str:
    """The loops that carry ``name`` from ``start`` over each ``value`` of the reduced axes by ``step``."""
    before, count, behind = spans(site)
    return (
        f"    for (int n = 0; n < {before}; ++n) {{\n"
        f"        for (int c = 0; c < {behind}; ++c) {{\n"
        f"            {kind} {name} = {start};\n"
        f"            for (int i = 0; i < {count}; ++i) {{\n"
        f"                const {kind} value = in[(n * {count} + i) * {behind} + c];\n"
        f"                {name} = {step};\n"
        "            }\n"
        f"            out[n * {behind} + c] = {result};\n"
        "        }\n"
        "    }\n"
    )


def _pool(site: Site, step: str, body: str, helpers: tuple[str, ...]) -> Layer:
    window = Loops.over(site, (site.option("FilterHeight"), site.option("FilterWidth")))
    channels = site.inputs[0].shape[3]
    taps = indent(window.taps(channels, step), " " * 8)
    place = window.place(site, f"    for (int c = 0; c < {channels}; ++c) {{\n{body.format(taps=taps)}    }}\n")
    return Layer(window.loops(site), (), place, (*helpers, *window.helpers), window.note)


KERNELS = {"AVERAGE_POOL_2D": average_pool_2d, "MAX_POOL_2D": max_pool_2d, "MEAN": mean, "REDUCE_MAX": reduce_max}
