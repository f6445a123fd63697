"""Operators that copy values as they are stored: GATHER of rows, CONCATENATION, PAD, RESHAPE, TRANSPOSE and slices."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgekit.conversion.c.kernels.values import looped
from edgekit.conversion.c.layer import Layer, Site, constant


def gather(site: Site) -> Layer:
    """GATHER: a row of a table for each id; an id that the table does not have reads its nearest row."""
    table, ids = site.inputs
    if table.data is None or ids.data is not None or table.data.dtype not in (np.int8, np.float32):
        raise site.refusal("takes something else than rows of a constant by ids of the input")
    if site.option("Axis") or site.option("BatchDims") or site.changes_scale():
        raise site.refusal("goes along another axis than the first, or has another scale behind it than its table")
    rows, depth = table.shape[0], math.prod(table.shape[1:])
    name = f"{site.name}_table"
    body = (
        f"    for (int i = 0; i < {math.prod(ids.shape)}; ++i) {{\n"
        f"        const int32_t row = in[i] < 0 ? 0 : in[i] < {rows} ? in[i] : {rows - 1};\n"
        f"        memcpy(out + i * {depth}, {name} + row * {depth}, {depth * site.item});\n"
        "    }\n"
    )
    return Layer(body, (constant(name, table),), note=f"of {rows:,} rows")


def concatenation(site: Site) -> Layer:
    """CONCATENATION: of each place before the axis the runs of all operands."""
    sizes, axis = site.output.shape, site.option("Axis")
    if site.option("FusedActivationFunction") or any(map(site.changes_scale, range(len(site.inputs)))):
        raise site.refusal("has an activation, or operands with another scale than behind it")
    total, constants, copies, start = math.prod(sizes[axis:]), [], "", 0
    for number, item in enumerate(site.inputs):
        run, side = math.prod(item.shape[axis:]), f"in{number}"
        if item.data is not None:
            side = f"{site.name}_{side}"
            constants.append(constant(side, item))
        copies += f"        memcpy(out + i * {total} + {start}, {side} + i * {run}, {run * site.item});\n"
        start += run
    body = f"    for (int i = 0; i < {math.prod(sizes) // total}; ++i) {{\n{copies}    }}\n"
    return Layer(body, tuple(constants))


def pad(site: Site) -> Layer:
    """PAD with zeros, as they are stored: what lies behind the last axis that grows is copied at once."""
    spans = site.inputs[1].data
    if spans is None or spans.min() < 0 or site.changes_scale():
        raise site.refusal("has another scale behind it than before it, or widths that are computed or negative")
    source, target = site.inputs[0].shape, site.output.shape
    last = max((axis for axis, span in enumerate(spans.tolist()) if any(span)), default=0)
    start = sum(before * step for before, step in zip(spans[:, 0].tolist(), _steps(target), strict=True))
    zero = 0 if site.output.quant is None else site.quant().zero_point
    copies = _copies(site, source[:last], _steps(target), _steps(source), start, math.prod(source[last:]))
    return Layer(f"    memset(out, {zero}, {math.prod(target) * site.item});\n{copies}")


def transpose(site: Site) -> Layer:
    """TRANSPOSE: what lies behind the last axis that moves is copied at once."""
    order = site.inputs[1].data
    if order is None or site.changes_scale():
        raise site.refusal("has another scale behind it than before it, or a computed order")
    axes, target, steps = order.reshape(-1).tolist(), site.output.shape, _steps(site.inputs[0].shape)
    count = max((place + 1 for place, axis in enumerate(axes) if axis != place), default=0)
    since = [steps[axis] for axis in axes]
    return Layer(_copies(site, target[:count], _steps(target), since, 0, math.prod(target[count:])))


def slice_(site: Site) -> Layer:
    """SLICE: from a place on so many values along each axis."""
    begin, size = (item.data for item in site.inputs[1:])
    if begin is None or size is None:
        raise site.refusal("begins or ends at computed places")
    spans = zip(site.inputs[0].shape, begin.reshape(-1).tolist(), size.reshape(-1).tolist(), strict=True)
    return _taken(site, [range(first, whole if count < 0 else first + count) for whole, first, count in spans])


def strided_slice(site: Site) -> Layer:
    """STRIDED_SLICE: what Python's slices of each axis take; a shrunk axis has one value."""
    ends = [item.data for item in site.inputs[1:]]
    if any(item is None for item in ends) or any(map(site.option, ("EllipsisMask", "NewAxisMask", "Offset"))):
        raise site.refusal("begins or ends at computed places, or makes axes")
    ranges = []
    for axis, (whole, *parts) in enumerate(
        zip(site.inputs[0].shape, *(item.reshape(-1).tolist() for item in ends if item is not None), strict=True)
    ):
        begin, end, step = parts
        if site.option("ShrinkAxisMask") >> axis & 1:
            ranges.append(range(begin % whole, begin % whole + 1))
            continue
        first = None if site.option("BeginMask") >> axis & 1 else begin
        last = None if site.option("EndMask") >> axis & 1 else end
        ranges.append(range(whole)[first:last:step])
    return _taken(site, ranges)


def _taken(site: Site, ranges: Sequence[range]) -> Layer:
    """The values at these places along each axis, of which the last that are taken whole are copied at once."""
    sizes = site.inputs[0].shape
    ends = [(size, part[0], part[-1]) for part, size in zip(ranges, sizes, strict=True) if part]
    inside = len(ends) == len(sizes) and all(0 <= place < size for size, *places in ends for place in places)
    if not inside or math.prod(map(len, ranges)) != math.prod(site.output.shape) or site.changes_scale():
        raise site.refusal("takes values beyond its operand, or changes their scale")
    count = max((axis + 1 for axis, part in enumerate(ranges) if part != range(sizes[axis])), default=0)
    if count and ranges[count - 1].step == 1:
        count -= 1
    steps, counts = _steps(sizes), [len(part) for part in ranges]
    first = sum(part.start * step for part, step in zip(ranges, steps, strict=True))
    since = [part.step * step for part, step in zip(ranges, steps, strict=True)]
    return Layer(_copies(site, counts[:count], _steps(counts), since, 0, math.prod(counts[count:]), first))


def _copies(
    site: Site, sizes: Sequence[int], to: Sequence[int], since: Sequence[int], start: int, run: int, first: int = 0
) -> str:
    """The loops that copy runs of values, one for each place i0, i1, ..., which lie so far apart on both sides.

    The first run begins at ``first`` and comes to ``start``.
    """
    place, source = (
        "".join(f" + i{axis} * {step}" for axis, step in zip(range(len(sizes)), steps, strict=False))
        for steps in (to, since)
    )
    return looped(sizes, f"memcpy(out + {start}{place}, in + {first}{source}, {run * site.item});\n")


def _steps(shape: Sequence[int]) -> list[int]:
    """How far apart neighbours along each axis lie."""
    return [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]


def reshape(site: Site) -> Layer:
    """RESHAPE moves nothing; it copies where one side is the caller's."""
    return Layer(f"    memcpy(out, in, {math.prod(site.output.shape) * site.item});\n")


KERNELS = {
    "GATHER": gather,
    "CONCATENATION": concatenation,
    "PAD": pad,
    "RESHAPE": reshape,
    "TRANSPOSE": transpose,
    "SLICE": slice_,
    "STRIDED_SLICE": strided_slice,
}
