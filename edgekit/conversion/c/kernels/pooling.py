"""AVERAGE_POOL_2D, MAX_POOL_2D and MEAN over height and width."""

from __future__ import annotations

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
    """MEAN over height and width: the count is part of the factor."""
    source, axes = site.inputs[0].shape, site.inputs[1].data
    if len(source) != 4 or axes is None or sorted(axes.reshape(-1).tolist()) != [1, 2]:
        raise site.refusal("goes over other axes than height and width")
    batch, height, width, channels = source
    count = height * width
    factor = Factor.of(site.quant(0).scale / site.quant().scale)
    shift = min(count.bit_length() - 1, 31 + factor.exponent)
    factor = Factor((factor.mantissa << shift) // count, factor.exponent - shift)
    start = -site.quant(0).zero_point * count
    body = (
        f"    for (int n = 0; n < {batch}; ++n) {{\n"
        f"        for (int c = 0; c < {channels}; ++c) {{\n"
        f"            int32_t sum = {start};\n"
        f"            for (int i = 0; i < {count}; ++i) {{\n"
        f"                sum += in[(n * {count} + i) * {channels} + c];\n"
        "            }\n"
        f"            out[n * {channels} + c] = {rescaled(site, 'sum', factor)};\n"
        "        }\n"
        "    }\n"
    )
    return Layer(body, helpers=RESCALING)


def _pool(site: Site, step: str, body: str, helpers: tuple[str, ...]) -> Layer:
    window = Loops.over(site, (site.option("FilterHeight"), site.option("FilterWidth")))
    channels = site.inputs[0].shape[3]
    taps = indent(window.taps(channels, step), " " * 8)
    place = window.place(site, f"    for (int c = 0; c < {channels}; ++c) {{\n{body.format(taps=taps)}    }}\n")
    return Layer(window.loops(site), (), place, (*helpers, *window.helpers), window.note)


KERNELS = {"AVERAGE_POOL_2D": average_pool_2d, "MAX_POOL_2D": max_pool_2d, "MEAN": mean}
