"""The operators that take and give float32, in the loops of the int8 ones: sixteen channels are summed side by side."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from textwrap import indent

import numpy as np
from numpy.typing import NDArray

from edgekit.conversion.c.kernels import moves, resize, values
from edgekit.conversion.c.kernels.pooling import reduction, spans
from edgekit.conversion.c.layer import LIMITS, Layer, Site, array, real
from edgekit.conversion.c.sums import PROCESSORS, WIDTH
from edgekit.conversion.c.windows import Loops

EXPONENTIAL = """\
/* e^x within 2^-22 of it: 2^whole times a Taylor series of what is left. */
INLINE float exponential(float x)
{
    const float inside = x < -87.0f ? -87.0f : x > 88.0f ? 88.0f : x, steps = inside * 1.44269504f;
    const int32_t whole = (int32_t)(steps < 0.0f ? steps - 0.5f : steps + 0.5f), bits = (whole + 127) * 8388608;
    const float r = (inside - (float)whole * 0.693359375f) + (float)whole * 2.12194440e-4f;
    float power;
    memcpy(&power, &bits, sizeof power);
    return power * (1.0f + r * (1.0f + r * (1.0f / 2 + r * (1.0f / 6 + r * (1.0f / 24 + r * (1.0f / 120 + r / 720))))));
}
"""
BOUNDED = """\
INLINE float bounded(float value, float low, float high)
{
    return value < low ? low : value > high ? high : value;
}
"""
LEAST = float(np.finfo(np.float32).min)


def conv_2d(site: Site) -> Layer:
    """CONV_2D."""
    data, bias = _constants(site)
    _, height, width, channels = data.shape
    if channels != site.inputs[0].shape[3]:
        raise site.refusal("has groups of channels")
    return _convolution(site, Loops.over(site, (height, width)), data, bias)


def fully_connected(site: Site) -> Layer:
    """FULLY_CONNECTED: a convolution over as many places as there are rows."""
    data, bias = _constants(site)
    rows = math.prod(site.output.shape) // len(data)
    window = Loops((1, rows), (1, 1), (1, 1), (1, 1), (1, rows), (0, 0), "float")
    return replace(_convolution(site, window, data.reshape(len(data), 1, 1, -1), bias), note="")


def depthwise_conv_2d(site: Site) -> Layer:
    """DEPTHWISE_CONV_2D."""
    data, bias = _constants(site)
    _, height, width, outputs = data.shape
    window, channels = Loops.over(site, (height, width)), site.inputs[0].shape[3]
    each = outputs // channels
    weight = f"{site.name}_weight + (row * {width} + column) * {outputs} + first"
    step = f"add_products(&sum, pixel + first, {weight}, n);\n"
    if each > 1:
        step = (
            f"float repeated[{WIDTH}];\n"
            f"for (int o = 0; o < n; ++o) {{\n    repeated[o] = pixel[(first + o) / {each}];\n}}\n"
            f"add_products(&sum, repeated, {weight}, n);\n"
        )
    return _weighted(site, window, window.taps(channels, step), data, bias)


def _convolution(site: Site, window: Loops, data: NDArray[np.float32], bias: NDArray[np.float32]) -> Layer:
    """A layer all of whose channels see all values; weights [outputs, rows, columns, channels]."""
    outputs, height, width, channels = data.shape
    blocks = [data[first : first + WIDTH].transpose(1, 2, 3, 0).reshape(-1) for first in range(0, outputs, WIDTH)]
    size = height * width * channels
    weight = f"{site.name}_weight + first * {size} + (row * {width} + column) * {channels} * n"
    step = f"add_all(&sum, pixel, {weight}, {channels}, n);\n"
    return _weighted(site, window, window.taps(channels, step), np.concatenate(blocks), bias)


def _weighted(site: Site, window: Loops, taps: str, data: NDArray[np.float32], bias: NDArray[np.float32]) -> Layer:
    """A layer of sums, which ``taps`` adds up."""
    outputs, block = site.output.shape[-1], f"{site.name}_channels"
    whole = outputs // WIDTH * WIDTH
    ranges = "top, left, first_row, end_row, first_column, end_column"
    stored, helpers = _bounded(site, "value[o]")
    channels = (
        f"/* n channels from first on, at one place. */\n"
        f"INLINE void {block}(const float *restrict in, float *restrict out, int top, int left,\n"
        "    int first_row, int end_row, int first_column, int end_column, int first, int n)\n{\n"
        f"    real_sums sum;\n    float value[{WIDTH}];\n"
        f"    begin_with(&sum, {site.name}_bias + first, n);\n"
        f"{indent(taps, ' ' * 4)}"
        "    memcpy(value, &sum, sizeof(float) * (size_t)n);\n"
        f"    for (int o = 0; o < n; ++o) {{\n        out[first + o] = {stored};\n    }}\n}}\n"
    )
    calls = ""
    if whole:
        calls += f"    for (int first = 0; first < {whole}; first += {WIDTH}) {{\n"
        calls += f"        {block}(in, out, {ranges}, first, {WIDTH});\n    }}\n"
    if outputs > whole:
        calls += f"    {block}(in, out, {ranges}, {whole}, {outputs - whole});\n"
    constants = (_reals(f"{site.name}_weight", data), _reals(f"{site.name}_bias", bias))
    place = f"{channels}\n{window.place(site, calls)}"
    return Layer(window.loops(site), constants, place, (*helpers, PROCESSORS["reals"], *window.helpers), window.note)


def average_pool_2d(site: Site) -> Layer:
    """AVERAGE_POOL_2D: the mean of what of the window lies in the image."""
    return _pool(
        site, "0.0f", "value += pixel[c];\n", "value / (float)((end_row - first_row) * (end_column - first_column))"
    )


def max_pool_2d(site: Site) -> Layer:
    """MAX_POOL_2D."""
    return _pool(site, real(LEAST), "value = pixel[c] > value ? pixel[c] : value;\n", "value")


def _pool(site: Site, start: str, step: str, result: str) -> Layer:
    window = Loops.over(site, (site.option("FilterHeight"), site.option("FilterWidth")))
    channels = site.inputs[0].shape[3]
    stored, helpers = _bounded(site, result)
    body = (
        f"    for (int c = 0; c < {channels}; ++c) {{\n"
        f"        float value = {start};\n{indent(window.taps(channels, step), ' ' * 8)}"
        f"        out[c] = {stored};\n    }}\n"
    )
    return Layer(window.loops(site), (), window.place(site, body), (*helpers, *window.helpers), window.note)


def mean(site: Site) -> Layer:
    """MEAN."""
    return Layer(reduction(site, "float", "0.0f", "sum + value", "sum", f"sum / {real(spans(site)[1])}"))


def reduce_max(site: Site) -> Layer:
    """REDUCE_MAX."""
    return Layer(reduction(site, "float", real(LEAST), "value > most ? value : most", "most", "most"))


def resize_bilinear(site: Site) -> Layer:
    """RESIZE_BILINEAR: four pixels by their shares."""
    constants = resize.ways(site, resize.Between.of_reals, "float")
    return Layer(resize.four_pixels(site, "float", "1.0f", "sum"), constants)


def _binary(sign: str) -> Callable[[Site], Layer]:
    """ADD, SUB or MUL with any broadcasting."""

    def kernel(site: Site) -> Layer:
        (*_, sizes), constants, (left, right) = values.operands(site)
        stored, helpers = _bounded(site, f"*({left}) {sign} *({right})")
        body = f"out[{values.place(sizes, len(sizes))}] = {stored};\n"
        return Layer(values.looped(sizes, body), constants, helpers=helpers)

    return kernel


def _unary(result: str, *helpers: str) -> Callable[[Site], Layer]:
    """A function of ``x``."""

    def kernel(site: Site) -> Layer:
        return Layer(
            f"    for (int i = 0; i < {math.prod(site.output.shape)}; ++i) {{\n"
            f"        const float x = in[i];\n        out[i] = {result};\n    }}\n",
            helpers=helpers,
        )

    return kernel


def softmax(site: Site) -> Layer:
    """SOFTMAX over the last axis."""
    depth, rows = site.output.shape[-1], math.prod(site.output.shape[:-1])
    beta = float(site.operator.options.fields.get("Beta", 1.0)) if site.operator.options else 1.0
    body = f"""\
    for (int row = 0; row < {rows}; ++row, in += {depth}, out += {depth}) {{
        float highest = in[0], sum = 0.0f;
        for (int i = 1; i < {depth}; ++i) {{
            highest = in[i] > highest ? in[i] : highest;
        }}
        for (int i = 0; i < {depth}; ++i) {{
            out[i] = exponential((in[i] - highest) * {real(beta)});
            sum += out[i];
        }}
        for (int i = 0; i < {depth}; ++i) {{
            out[i] /= sum;
        }}
    }}
"""
    return Layer(body, helpers=(EXPONENTIAL,))


def _bounded(site: Site, value: str) -> tuple[str, tuple[str, ...]]:
    """The C expression of a result behind the fused activation, and what it calls."""
    low, high = LIMITS.get(site.option("FusedActivationFunction"), (-math.inf, math.inf))
    if math.isinf(low) and math.isinf(high):
        return value, ()
    return f"bounded({value}, {real(max(low, LEAST))}, {real(min(high, -LEAST))})", (BOUNDED,)


def _constants(site: Site) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The weights and the bias, which may be missing."""
    data = [tensor.data for tensor in site.inputs[1:]]
    if not data or any(item is None or item.dtype != np.float32 for item in data):
        raise site.refusal("has weights or a bias that are no float32 constants")
    weights = np.asarray(data[0])
    return weights, np.asarray(data[1]) if len(data) > 1 else np.zeros(site.output.shape[-1], np.float32)


def _reals(name: str, data: NDArray[np.float32]) -> str:
    return array("float", name, [real(value) for value in data.reshape(-1).tolist()])


KERNELS = {
    "CONV_2D": conv_2d,
    "DEPTHWISE_CONV_2D": depthwise_conv_2d,
    "FULLY_CONNECTED": fully_connected,
    "AVERAGE_POOL_2D": average_pool_2d,
    "MAX_POOL_2D": max_pool_2d,
    "MEAN": mean,
    "REDUCE_MAX": reduce_max,
    "ADD": _binary("+"),
    "SUB": _binary("-"),
    "MUL": _binary("*"),
    "SOFTMAX": softmax,
    "RELU": _unary("x > 0.0f ? x : 0.0f"),
    "RELU6": _unary("bounded(x, 0.0f, 6.0f)", BOUNDED),
    "LOGISTIC": _unary("1.0f / (1.0f + exponential(-x))", EXPONENTIAL),
    "TANH": _unary("1.0f - 2.0f / (1.0f + exponential(2.0f * x))", EXPONENTIAL),
    "RESIZE_BILINEAR": resize_bilinear,
    "RESIZE_NEAREST_NEIGHBOR": resize.resize_nearest_neighbor,
    **moves.KERNELS,
}
"""By their builtin names; those of ``moves`` copy values of any type."""
