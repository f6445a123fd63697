"""Weights of four bits, two of them in a byte.

TFLite's kernels and those of TFLite Micro unpack them in each inference, into memory for the layer that wants most, and
compute with int8 as ever. XNNPACK takes no convolution with such weights, so what is gained are bytes and not time.
Format: INT4 in schema.fbs, where the first of two values is in the lower half of a byte, in rows that follow each other
without padding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from edgekit.operators.lowered import ModelRecord, OperatorRecord
from edgekit.operators.operator import WEIGHTS
from edgekit.scales import Array

INT4 = "int4"
LEAST, MOST = -8, 7
UNPACKING = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"})
"""Operators whose kernels unpack their weights.

Their versions stay those of int8: LiteRT's converter has others, which its own reference kernels are not registered
for, and a runtime that knows no INT4 refuses the tensor's type.
"""


def narrowed(model: ModelRecord) -> ModelRecord:
    """The model with int4 weights where their values need no more than four bits, whatever was asked for."""
    others = {index for operator in model.operators for index in _read_otherwise(model, operator)}
    narrow = {index for index, item in enumerate(model.tensors) if index not in others and _is_narrow(item.data)}
    tensors = [replace(item, dtype=INT4) if index in narrow else item for index, item in enumerate(model.tensors)]
    return replace(model, tensors=tensors)


def pack(values: Array) -> bytes:
    """Two values of int8 in [LEAST, MOST] to a byte."""
    flat = values.astype(np.int8).reshape(-1)
    low, high = np.append(flat, np.zeros(len(flat) % 2, np.int8)).reshape(-1, 2).T.astype(np.uint8) & 15
    return bytes(low | high << 4)


def unpack(data: bytes, count: int) -> Array:
    """The int8 values of ``pack``."""
    halves = np.frombuffer(data, np.uint8)[:, None] >> np.array([0, 4], np.uint8) & 15
    return ((halves.reshape(-1)[:count] ^ 8).astype(np.int8) - 8).astype(np.int8)


def _read_otherwise(model: ModelRecord, operator: OperatorRecord) -> Iterator[int]:
    """The tensors that an operator does not read as weights that it unpacks."""
    unpacks = operator.code in UNPACKING and model.tensors[operator.inputs[0]].dtype == "int8"
    for position, index in enumerate(operator.inputs):
        if not (unpacks and position == WEIGHTS):
            yield index


def _is_narrow(data: Array | None) -> bool:
    return data is not None and data.dtype == np.int8 and bool(data.any()) and LEAST <= data.min() <= data.max() <= MOST
