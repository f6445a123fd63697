"""Rounding written into a float graph, to see what storing a tensor in 8 bits does to what comes after it."""

from __future__ import annotations

import numpy as np

from edgekit.graph.draft import Draft
from edgekit.graph.messages import make_node
from edgekit.scales import Quantization


def rounded_name(name: str) -> str:
    """What ``add_rounding`` calls its result."""
    return f"{name}/rounded"


def add_rounding(draft: Draft, name: str, affine: Quantization, prefix: str = "") -> str:
    """Round the value ``name`` to what ``affine`` stores of it; return the name of the result, for new readers."""
    prefix = prefix or name
    scale, zero, stored = (f"{prefix}/{part}" for part in ("scale", "zero", "stored"))
    draft.constants[scale] = np.asarray(affine.scale, np.float32)
    draft.constants[zero] = np.asarray(affine.zero_point, affine.dtype)
    draft.add(make_node("QuantizeLinear", [name, scale, zero], [stored]))
    draft.add(make_node("DequantizeLinear", [stored, scale, zero], [rounded_name(prefix)]))
    return rounded_name(prefix)
