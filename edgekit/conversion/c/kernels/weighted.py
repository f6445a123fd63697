"""CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED: sums of products with constant weights."""

from __future__ import annotations

import math
from textwrap import indent

import numpy as np
from numpy.typing import NDArray

from edgekit.conversion.c.fixed_point import Factor
from edgekit.conversion.c.layer import RESCALING, Layer, Rescaling, Site, array, plus
from edgekit.conversion.c.windows import Loops
from edgekit.scales import INT8_MAX, INT8_MIN

MOST_SUMS = 32
"""So many channels are summed at the same time: their sums stay in registers or near by."""
INT32_MAX = 2**31 - 1


def conv_2d(site: Site) -> Layer:
    """CONV_2D: all channels of a block are summed together, so that the compiler can add them side by side."""
    data, bias = _constants(site)
    outputs, height, width, channels = data.shape
    if channels != site.inputs[0].shape[3]:
        raise site.refusal("has groups of channels")
    window, block = Loops.over(site, (height, width)), _block(outputs)
    rescaling = Rescaling(site, _factors(site))
    _check_sums(site, data.reshape(outputs, -1), bias)
    blocks = data.reshape(outputs // block, block, height, width, channels).transpose(0, 2, 3, 4, 1)
    taps = window.taps(
        channels,
        f"const int8_t *const weight =\n"
        f"    {site.name}_weight + ((first / {block} * {height} + row) * {width} + column) * {channels * block};\n"
        f"for (int i = 0; i < {channels}; ++i) {{\n"
        f"    const int32_t value = {plus('pixel[i]', -site.quant(0).zero_point)};\n"
        f"    for (int o = 0; o < {block}; ++o) {{\n"
        f"        sum[o] += value * weight[i * {block} + o];\n"
        "    }\n"
        "}\n",
    )
    return _windowed(site, window, block, taps, (blocks, bias), rescaling)


def depthwise_conv_2d(site: Site) -> Layer:
    """DEPTHWISE_CONV_2D: each channel has its own window, or several."""
    data, bias = _constants(site)
    _, height, width, outputs = data.shape
    channels = site.inputs[0].shape[3]
    window, block, each = Loops.over(site, (height, width)), _block(outputs), outputs // channels
    _check_sums(site, np.moveaxis(data, 3, 0).reshape(outputs, -1), bias)
    source = "pixel[first + o]" if each == 1 else f"pixel[(first + o) / {each}]"
    taps = window.taps(
        channels,
        f"const int8_t *const weight = {site.name}_weight + (row * {width} + column) * {outputs} + first;\n"
        f"for (int o = 0; o < {block}; ++o) {{\n"
        f"    sum[o] += ({plus(source, -site.quant(0).zero_point)}) * weight[o];\n"
        "}\n",
    )
    return _windowed(site, window, block, taps, (data, bias), Rescaling(site, _factors(site)))


def fully_connected(site: Site) -> Layer:
    """FULLY_CONNECTED: the input's zero point, which meets every weight, is in the bias."""
    data, bias = _constants(site)
    outputs, inputs = data.shape
    rows = math.prod(site.output.shape) // outputs
    _check_sums(site, data, bias)
    folded = bias.astype(np.int64) - site.quant(0).zero_point * data.astype(np.int64).sum(axis=1)
    rescaling = Rescaling(site, _factors(site))
    body = (
        f"    for (int row = 0; row < {rows}; ++row) {{\n"
        f"        for (int o = 0; o < {outputs}; ++o) {{\n"
        f"            const int8_t *const weight = {site.name}_weight + o * {inputs};\n"
        f"            int32_t sum = {site.name}_bias[o];\n"
        f"            for (int i = 0; i < {inputs}; ++i) {{\n"
        f"                sum += in[row * {inputs} + i] * weight[i];\n"
        "            }\n"
        f"            out[row * {outputs} + o] = {rescaling.of('sum', 'o')};\n"
        "        }\n"
        "    }\n"
    )
    arrays = (array("int8_t", f"{site.name}_weight", data), array("int32_t", f"{site.name}_bias", folded))
    return Layer(body, (*arrays, *rescaling.constants), helpers=RESCALING)


def _windowed(
    site: Site, window: Loops, block: int, taps: str, constants: tuple[NDArray[np.int8], NDArray[np.int32]],
    rescaling: Rescaling,
) -> Layer:  # fmt: skip
    weights, bias = constants
    body = (
        f"    for (int first = 0; first < {bias.size}; first += {block}) {{\n"
        f"        int32_t sum[{block}];\n"
        f"        memcpy(sum, {site.name}_bias + first, sizeof sum);\n"
        f"{indent(taps, ' ' * 8)}"
        f"        for (int o = 0; o < {block}; ++o) {{\n"
        f"            out[first + o] = {rescaling.of('sum[o]', 'first + o')};\n"
        "        }\n"
        "    }\n"
    )
    arrays = (array("int8_t", f"{site.name}_weight", weights), array("int32_t", f"{site.name}_bias", bias))
    written = (*arrays, *rescaling.constants)
    return Layer(window.loops(site), written, window.place(site, body), (*RESCALING, *window.helpers), window.note)


def _constants(site: Site) -> tuple[NDArray[np.int8], NDArray[np.int32]]:
    """The weights and the bias."""
    data = [tensor.data for tensor in site.inputs[1:]]
    if len(data) != 2 or data[0] is None or data[1] is None or data[0].dtype != np.int8 or data[1].dtype != np.int32:
        raise site.refusal("has weights or a bias that are not int8 and int32 constants")
    return data[0], data[1]


def _factors(site: Site) -> tuple[Factor, ...]:
    """What the sums of each channel are multiplied by to be steps of the output's scale."""
    source, weights, target = site.quant(0).scale, site.quant(1).scales, site.quant().scale
    if site.operator.code == "FULLY_CONNECTED" and len(weights) == 1:
        # These kernels round the product of the scales to float32.
        return (Factor.of(float(np.float32(source) * np.float32(weights[0])) / target),)
    return tuple(Factor.of(source * scale / target) for scale in weights)


def _block(outputs: int) -> int:
    return max(size for size in range(1, MOST_SUMS + 1) if outputs % size == 0)


def _check_sums(site: Site, weights: NDArray[np.int8], bias: NDArray[np.int32]) -> None:
    """Raise unless no sum, in whatever order it is added up, leaves 32 bits; weights are [outputs, values]."""
    zero_point = site.quant(0).zero_point
    largest = max(INT8_MAX - zero_point, zero_point - INT8_MIN) + abs(zero_point)
    most = np.abs(weights.astype(np.int64)).sum(axis=1) * largest + np.abs(bias.astype(np.int64))
    if most.max() > INT32_MAX:
        raise site.refusal("has sums of more than 32 bits")


KERNELS = {"CONV_2D": conv_2d, "DEPTHWISE_CONV_2D": depthwise_conv_2d, "FULLY_CONNECTED": fully_connected}
