"""CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED: sums of products with constant weights.

Channels are computed by sixteens. Weights lie in the order in which they are read: of sixteen channels the first four
values of a window's row, its next four, and so on. The input's zero point, which meets every weight, is in the bias.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from textwrap import indent

import numpy as np
from numpy.typing import NDArray

from edgekit.conversion.c.fixed_point import Factor
from edgekit.conversion.c.layer import Layer, Site, array
from edgekit.conversion.c.strips import Strips
from edgekit.conversion.c.sums import BY_FOURS, TOGETHER, WIDTH, Factors
from edgekit.conversion.c.windows import Loops, times
from edgekit.scales import INT8_MAX, INT8_MIN

INT32_MAX = 2**31 - 1


def conv_2d(site: Site) -> Layer:
    """CONV_2D: a row of a window is one run of values, if nothing lies between its taps."""
    data, bias = _constants(site)
    outputs, height, width, channels = data.shape
    if channels != site.inputs[0].shape[3]:
        raise site.refusal("has groups of channels")
    window = Loops.over(site, (height, width))
    if window.dilations[1] == 1:
        data = data.reshape(outputs, height, 1, width * channels)
    if (height, width) == window.strides == (1, 1):
        window = replace(window, size=(1, math.prod(window.size)), steps=(1, math.prod(window.steps)))
    return _products(site, Strips(window, channels, always=data.shape[3] % BY_FOURS > 0, several=True), data, bias)


def fully_connected(site: Site) -> Layer:
    """FULLY_CONNECTED: a convolution over as many places as there are rows."""
    data, bias = _constants(site)
    outputs, inputs = data.shape
    rows = math.prod(site.output.shape) // outputs
    window = Loops((1, rows), (1, 1), (1, 1), (1, 1), (1, rows), (0, 0))
    strips = Strips(window, inputs, always=inputs % BY_FOURS > 0, several=True)
    return replace(_products(site, strips, data.reshape(outputs, 1, 1, inputs), bias), note="")


def depthwise_conv_2d(site: Site) -> Layer:
    """DEPTHWISE_CONV_2D: each channel has its own window, or several."""
    data, bias = _constants(site)
    _, height, width, outputs = data.shape
    channels = site.inputs[0].shape[3]
    each = outputs // channels
    strips = Strips(Loops.over(site, (height, width)), channels, each, always=each > 1)
    taps = data.reshape(height, width, outputs)
    _checked(site, taps[:, 0 : width - 1 : 2], taps[:, 1::2])
    weights = np.concatenate(list(_paired(taps)))
    sums, zero_point = data.astype(np.int64).reshape(-1, outputs).sum(axis=0), site.quant(0).zero_point
    most = _most(site, np.moveaxis(data, 3, 0).reshape(outputs, -1), bias)
    across, place = strips.window.dilations[1] * outputs, times("p", strips.place_step)

    def added(call: str, taps: int) -> str:
        """The statements that add the products of ``taps`` taps to each sum, by a call."""
        return (
            f"UNROLLED for (int p = 0; p < {strips.tile}; ++p) {{\n"
            f"    sum[p] = {call};\n"
            "}\n"
            f"in += {taps * across};\n"
            f"weight += {times('n', taps)};\n"
        )

    pair = added(f"plus_both(sum[p], in + {place}, in + {place} + {across}, weight, n)", 2)
    last = added(f"plus_each(sum[p], in + {place}, weight, n)", 1)
    row = (_loop("pair", width // 2, pair) if width > 1 else "") + last * (width % 2)
    start = f"const int8_t *in = pixels{' + row * step' * (height > 1)} + first;\n"
    products = _loop("row", height, start + row)
    folded = [str(value) for value in bias - zero_point * sums]
    factors = Factors(site, _factors(site), most)
    return _layer(factors, strips, products, height * width, (weights, folded))


def _products(site: Site, strips: Strips, data: NDArray[np.int8], bias: NDArray[np.int32]) -> Layer:
    """A layer all of whose channels see all values; weights [outputs, rows, runs of a row, values of a run]."""
    outputs, rows, runs, values = data.shape
    fours = np.pad(data, ((0, 0), (0, 0), (0, 0), (0, -values % BY_FOURS))).reshape(-1, BY_FOURS)
    _checked(site, fours[:, :2], fours[:, 2:])
    most = _most(site, data.reshape(outputs, -1), bias)
    sums = data.astype(np.int64).reshape(outputs, -1).sum(axis=1)
    folded = [
        f"{start} {'-' if total < 0 else '+'} OFFSET * {abs(total)}"
        for start, total in zip((bias - site.quant(0).zero_point * sums).tolist(), (-sums).tolist(), strict=True)
    ]
    each = rows * runs * -(-values // BY_FOURS) * BY_FOURS
    across = (
        f"pixels{' + row * step' * (rows > 1)}{f' + run * {strips.window.dilations[1] * strips.channels}' * (runs > 1)}"
    )
    block = f"weight + p % blocks * {each * WIDTH}"
    products = _loop(
        "row",
        rows,
        _loop(
            "run",
            runs,
            f"const int8_t *const in = {across};\n"
            f"for (int i = 0; i < {values}; i += {BY_FOURS}, weight += n * {BY_FOURS}) {{\n"
            f"    UNROLLED for (int p = 0; p < {strips.count}; ++p) {{\n"
            f"        sum[p] = plus_products(sum[p], in + i + {times(strips.place, strips.place_step)}, {block}, n);\n"
            "    }\n"
            "}\n",
        ),
    )
    factors = Factors(site, _factors(site), most)
    return _layer(factors, strips, products, each, (np.concatenate(list(_packed(data))), folded))


def _loop(index: str, count: int, body: str) -> str:
    """A loop of so many rounds, or its only one."""
    return f"for (int {index} = 0; {index} < {count}; ++{index}) {{\n{indent(body, '    ')}}}\n" if count > 1 else body


def _paired(data: NDArray[np.int8]) -> Iterator[NDArray[np.int8]]:
    """The weights [rows, columns, channels] of each block of channels, of a row by pairs of taps and then the last."""
    _, columns, outputs = data.shape
    even = columns // 2 * 2
    for first in range(0, outputs, WIDTH):
        for row in data[:, :, first : first + WIDTH]:
            yield row[:even].reshape(even // 2, 2, row.shape[1]).swapaxes(1, 2).reshape(-1)
            yield row[even:].reshape(-1)


def _packed(data: NDArray[np.int8]) -> Iterator[NDArray[np.int8]]:
    """The weights of each block of channels, with zeros for what is missing to fours, and at the end to channels."""
    for first in range(0, len(data), WIDTH):
        block = data[first : first + WIDTH]
        block = np.pad(block, ((0, 0), (0, 0), (0, 0), (0, -block.shape[3] % BY_FOURS)))
        channels, rows, runs, values = block.shape
        yield block.reshape(channels, rows, runs, values // BY_FOURS, BY_FOURS).transpose(1, 2, 3, 0, 4).reshape(-1)
    yield np.zeros(-len(data) % TOGETHER * BY_FOURS, np.int8)


def _layer(
    factors: Factors, strips: Strips, products: str, values: int, constants: tuple[NDArray[np.int8], Sequence[str]]
) -> Layer:
    """A layer of sums, which ``products`` adds up; ``values`` weights belong to each channel."""
    site, each_sum = factors.site, f"    UNROLLED for (int p = 0; p < {strips.count}; ++p) {{\n"
    weights, bias = constants
    out = f"out + {times(strips.place, site.output.shape[-1])} + {strips.first}"
    step, blocks = ("int step, " if strips.window.kernel[0] > 1 else ""), ("int blocks, " if strips.several else "")
    place = (
        f"/* n channels from first on{', or so many blocks of them' * strips.several}, at {strips.tile} places. */\n"
        f"INLINE void {site.name}_block(\n"
        f"    const int8_t *restrict pixels, {step}int8_t *restrict out, int first, {blocks}int n)\n{{\n"
        f"    const int8_t *weight = {site.name}_weight + first * {values};\n"
        f"    sums sum[{f'{strips.blocks} * ' * strips.several}{strips.tile}];\n"
        f"{each_sum}"
        f"        sum[p] = first_sums({site.name}_bias + {strips.first}, n);\n"
        "    }\n"
        f"{indent(products, '    ')}"
        f"{each_sum}"
        f"{indent(factors.store('sum[p]', out, strips.first), ' ' * 8)}"
        "    }\n"
        "}\n"
    )
    arrays = (array("ALIGNED int8_t", f"{site.name}_weight", weights), array("int32_t", f"{site.name}_bias", bias))
    helpers = (*factors.helpers, *strips.helpers)
    return Layer(strips.loops(site), (*arrays, *factors.constants), place, helpers, strips.window.note)


def _constants(site: Site) -> tuple[NDArray[np.int8], NDArray[np.int32]]:
    """The weights and the bias."""
    data = [tensor.data for tensor in site.inputs[1:]]
    if len(data) != 2 or data[0] is None or data[1] is None or data[0].dtype != np.int8 or data[1].dtype != np.int32:
        raise site.refusal("has weights or a bias that are not int8 and int32 constants")
    return data[0], data[1]


def _checked(site: Site, first: NDArray[np.int8], second: NDArray[np.int8]) -> None:
    """Refuse weights whose products with any inputs, added up by twos, could leave 16 bits."""
    if ((first == INT8_MIN) & (second == INT8_MIN)).any():
        raise site.refusal("has weights of -128 side by side, whose products do not fit in 16 bits together")


def _factors(site: Site) -> tuple[Factor, ...]:
    """What the sums of each channel are multiplied by to be steps of the output's scale."""
    source, weights, target = site.quant(0).scale, site.quant(1).scales, site.quant().scale
    return tuple(Factor.of(source * scale / target) for scale in weights)


def _most(site: Site, weights: NDArray[np.int8], bias: NDArray[np.int32]) -> int:
    """What no sum, in whatever order it is added up, goes beyond; weights are [outputs, values]."""
    zero_point = site.quant(0).zero_point
    largest = max(INT8_MAX - zero_point, zero_point - INT8_MIN) + abs(zero_point)
    most = np.abs(weights.astype(np.int64)).sum(axis=1) * largest + np.abs(bias.astype(np.int64))
    if most.max() > INT32_MAX:
        raise site.refusal("has sums of more than 32 bits")
    return int(most.max())


KERNELS = {"CONV_2D": conv_2d, "DEPTHWISE_CONV_2D": depthwise_conv_2d, "FULLY_CONNECTED": fully_connected}
