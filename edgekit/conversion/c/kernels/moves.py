"""Operators that copy values as they are stored: GATHER of the rows of a constant table, and RESHAPE."""

from __future__ import annotations

import math

import numpy as np

from edgekit.conversion.c.layer import Layer, Site, array


def gather(site: Site) -> Layer:
    """GATHER: a row of a table for each id; an id that the table does not have reads its nearest row."""
    table, ids = site.inputs
    if table.data is None or ids.data is not None or table.data.dtype != np.int8:
        raise site.refusal("takes something else than rows of an int8 constant by ids of the input")
    if site.option("Axis") or site.option("BatchDims") or table.quant != site.quant():
        raise site.refusal("goes along another axis than the first, or has another scale behind it than its table")
    rows, depth = table.shape[0], math.prod(table.shape[1:])
    name = f"{site.name}_table"
    body = (
        f"    for (int i = 0; i < {math.prod(ids.shape)}; ++i) {{\n"
        f"        const int32_t row = in[i] < 0 ? 0 : in[i] < {rows} ? in[i] : {rows - 1};\n"
        f"        memcpy(out + i * {depth}, {name} + row * {depth}, {depth});\n"
        "    }\n"
    )
    return Layer(body, (array("int8_t", name, table.data),), note=f"of {rows:,} rows")


def reshape(site: Site) -> Layer:
    """RESHAPE moves nothing; it copies where one side is the caller's."""
    return Layer(f"    memcpy(out, in, {math.prod(site.output.shape)});\n")


KERNELS = {"GATHER": gather, "RESHAPE": reshape}
