"""Operators that take values one by one: ADD with any broadcasting, and RESHAPE, which only copies."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgekit.conversion.c.fixed_point import Factor
from edgekit.conversion.c.layer import RESCALING, Layer, Site, array, plus, rescaled

HEADROOM = 20
"""Bits by which ADD raises its operands before it brings them to one scale."""


def add(site: Site) -> Layer:
    """ADD: both operands in steps of half the coarser scale of the two, 20 bits finer; then in the output's."""
    scales = [np.float32(site.quant(position).scale) for position in range(2)]
    twice = 2 * float(max(scales))
    factors = [Factor.of(float(scale) / twice) for scale in scales]
    factor = Factor.of(twice / ((1 << HEADROOM) * site.quant().scale))
    if factor.exponent > 0:
        raise site.refusal("has a result whose scale is 2^-19 of an operand's")
    shapes, sizes = [tensor.shape for tensor in site.inputs], site.output.shape
    if all(math.prod(shape) in (1, math.prod(sizes)) for shape in shapes):
        shapes, sizes = [(math.prod(shape),) for shape in shapes], (math.prod(sizes),)
    constants, terms = [], []
    for position, (side, shape) in enumerate(zip(("left", "right"), shapes, strict=True)):
        data = site.inputs[position].data
        if data is not None:
            side = f"{site.name}_{side}"
            constants.append(array("int8_t", side, data))
        value = plus(f"{side}[{_place(shape, len(sizes))}]", -site.quant(position).zero_point)
        terms.append(f"scaled(({value}) * (1 << {HEADROOM}), {factors[position].mantissa}, {factors[position].right})")
    lines = [f"for (int i{axis} = 0; i{axis} < {size}; ++i{axis}) {{" for axis, size in enumerate(sizes)]
    inner = (
        f"const int32_t sum = {terms[0]}",
        f"    + {terms[1]};",
        f"out[{_place(sizes, len(sizes))}] = {rescaled(site, 'sum', factor)};",
    )
    body = "".join(f"{' ' * 4 * (depth + 1)}{line}\n" for depth, line in enumerate(lines))
    body += "".join(f"{' ' * 4 * (len(sizes) + 1)}{line}\n" for line in inner)
    body += "".join(f"{' ' * 4 * depth}}}\n" for depth in range(len(sizes), 0, -1))
    return Layer(body, tuple(constants), helpers=RESCALING)


def reshape(site: Site) -> Layer:
    """RESHAPE moves nothing; it copies where one side is the caller's."""
    return Layer(f"    memcpy(out, in, {math.prod(site.output.shape)});\n")


def _place(shape: Sequence[int], axes: int) -> str:
    """Where a tensor's value for the place i0, i1, ... of the result lies; axes of size 1 do not count."""
    terms, stride = [], 1
    for axis, size in zip(range(axes - 1, -1, -1), reversed(shape), strict=False):
        if size > 1:
            terms.append(f"i{axis} * {stride}" if stride > 1 else f"i{axis}")
        stride *= size
    return " + ".join(reversed(terms)) or "0"


KERNELS = {"ADD": add, "RESHAPE": reshape}
