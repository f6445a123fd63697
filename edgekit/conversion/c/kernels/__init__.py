"""The operators that C takes: a file for each family, and the table of them all by their builtin names."""

from __future__ import annotations

from collections.abc import Mapping

from edgekit.conversion.c.kernels import moves, pooling, reals, resize, softmax, tables, values, weighted
from edgekit.conversion.c.layer import Kernel

KERNELS: Mapping[str, Kernel] = {
    **weighted.KERNELS,
    **pooling.KERNELS,
    **values.KERNELS,
    **moves.KERNELS,
    **tables.KERNELS,
    **resize.KERNELS,
    **softmax.KERNELS,
}
KERNELS_OF_REALS: Mapping[str, Kernel] = {**reals.KERNELS, "DEQUANTIZE": tables.dequantize}
"""Those whose results are float32."""
