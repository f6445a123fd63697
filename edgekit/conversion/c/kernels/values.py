"""Operators that take two values to one: ADD and MUL with any broadcasting."""

from __future__ import annotations

import math
from collections.abc import Sequence
from textwrap import indent

import numpy as np

from edgekit.conversion.c.fixed_point import Factor
from edgekit.conversion.c.layer import RESCALING, Layer, Site, constant, plus, rescaled
from edgekit.conversion.c.sums import WIDTH, Factors

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
    (*shapes, sizes), constants, sides = operands(site)
    terms = [
        f"sum = plus_raised(sum, {side}, {int(shape[-1] > 1)}, {-site.quant(position).zero_point}, "
        f"{factors[position].mantissa}, {factors[position].right}, n);\n"
        for position, (side, shape) in enumerate(zip(("left", "right"), shapes, strict=True))
    ]
    stored = Factors(site, (factor,), 1 << 29)
    block = (
        "/* n of its values, which may be written over one of the operands. */\n"
        f"INLINE void {site.name}_block(const int8_t *left, const int8_t *right, int8_t *out, int n)\n{{\n"
        "    sums sum;\n"
        "    memset(&sum, 0, sizeof sum);\n"
        f"{indent(''.join(terms), ' ' * 4)}"
        f"{indent(stored.store('sum', 'out'), ' ' * 4)}"
        "}\n"
    )
    axis, whole = len(sizes) - 1, sizes[-1] // WIDTH * WIDTH
    call = f"{site.name}_block({', '.join((*sides, f'out + {place(sizes, len(sizes))}'))}, {{}});"
    lines = [f"for (int i{axis} = 0; i{axis} < {whole}; i{axis} += {WIDTH}) {{", f"    {call.format(WIDTH)}", "}"]
    if sizes[-1] > whole:
        start = [f"    const int i{axis} = {whole};"] if sizes[-1] > 1 else []  # one value lies where nothing counts
        lines += ["{", *start, f"    {call.format(sizes[-1] - whole)}", "}"]
    body = looped(sizes[:-1], "\n".join(lines) + "\n")
    return Layer(body, (*constants, *stored.constants), block, stored.helpers)


def mul(site: Site) -> Layer:
    """MUL: the product of both distances from the zero points, in the output's steps."""
    left, right = (site.quant(position) for position in range(2))
    factor = Factor.of(left.scale * right.scale / site.quant().scale)
    (*_, sizes), constants, sides = operands(site)
    terms = [plus(f"*({side})", -quant.zero_point) for side, quant in zip(sides, (left, right), strict=True)]
    product = rescaled(site, f"(({terms[0]}) * ({terms[1]}))", factor)
    body = f"out[{place(sizes, len(sizes))}] = {product};\n"
    return Layer(looped(sizes, body), constants, helpers=RESCALING)


def operands(site: Site) -> tuple[list[tuple[int, ...]], tuple[str, ...], list[str]]:
    """The shapes of both operands and the result, the operands' constant arrays, and where they lie in the loops."""
    shapes = [*(tensor.shape for tensor in site.inputs), site.output.shape]
    counts = [math.prod(shape) for shape in shapes]
    if all(count in (1, counts[-1]) for count in counts):
        shapes = [(count,) for count in counts]
    constants, sides = [], []
    for side, tensor, shape in zip(("left", "right"), site.inputs, shapes[:2], strict=True):
        if tensor.data is not None:
            side = f"{site.name}_{side}"
            constants.append(constant(side, tensor))
        sides.append(f"{side} + {place(shape, len(shapes[-1]))}")
    return shapes, tuple(constants), sides


def looped(sizes: Sequence[int], body: str) -> str:
    """Statements for each place i0, i1, ..."""
    for axis, size in reversed(list(enumerate(sizes))):
        body = f"for (int i{axis} = 0; i{axis} < {size}; ++i{axis}) {{\n{indent(body, ' ' * 4)}}}\n"
    return indent(body, " " * 4)


def place(shape: Sequence[int], axes: int) -> str:
    """Where a tensor's value for the place i0, i1, ... of the result lies; axes of size 1 do not count."""
    terms, stride = [], 1
    for axis, size in zip(range(axes - 1, -1, -1), reversed(shape), strict=False):
        if size > 1:
            terms.append(f"i{axis} * {stride}" if stride > 1 else f"i{axis}")
        stride *= size
    return " + ".join(reversed(terms)) or "0"


KERNELS = {"ADD": add, "MUL": mul}
