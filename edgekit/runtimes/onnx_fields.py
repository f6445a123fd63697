"""The few fields of an ONNX file that decide how it is opened, read on any board with nothing but Python.

Format: protobuf's wire format (protobuf.dev/programming-guides/encoding), field numbers of onnx.proto. What lies
between is passed over, so at most this costs a look at each operator.
"""

from __future__ import annotations

import json
import mmap
from collections.abc import Iterator
from typing import Any

KEY = b"edgekit"
"""Of the entry in ``metadata_props`` that is EdgeKit's own description."""
GRAPH, METADATA = 7, 14
NODE = 1
INPUT, OUTPUT, OPERATOR = 1, 2, 4
DEQUANTIZE = b"DequantizeLinear"
ZERO_POINT = BIAS = 2
VARINT, EIGHT_BYTES, LENGTH, FOUR_BYTES = 0, 1, 2, 5


def described_recipe(model: str | bytes) -> str | None:
    """The recipe in EdgeKit's description of a file; None if it has none, or is no ONNX file."""
    try:
        for number, entry in _fields(_view(model)):
            if number == METADATA:
                pair = dict(_fields(entry))
                if pair.get(1) == KEY:
                    return str(json.loads(bytes(pair[2])).get("recipe", ""))
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, RecursionError):
        pass  # the runtime will say what is wrong with the file
    return None


def has_zero_points(model: str | bytes) -> bool:
    """True if every DequantizeLinear of a file names a zero point, but those of biases: what is read third."""
    bare: set[memoryview] = set()
    read: set[memoryview] = set()
    for number, graph in _fields(_view(model)):
        for place, node in _fields(graph) if number == GRAPH else ():
            if place != NODE:
                continue
            found = [(field, value) for field, value in _fields(node) if field in (INPUT, OUTPUT, OPERATOR)]
            inputs = [value for field, value in found if field == INPUT]
            if (OPERATOR, DEQUANTIZE) in found and not any(inputs[ZERO_POINT:]):
                bare.update(value for field, value in found if field == OUTPUT)
            read.update(value for at, value in enumerate(inputs) if at != BIAS)
    return not bare & read


def _view(model: str | bytes) -> memoryview:
    if isinstance(model, bytes):
        return memoryview(model)
    with open(model, "rb") as stream:
        return memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))


def _fields(message: memoryview) -> Iterator[tuple[int, Any]]:
    """(number, value) of each field: an int, or a view of what has a length.

    Raises:
        ValueError: the message is broken.
        IndexError: it is cut short.
    """
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            value, place = _varint(message, place)
            yield number, value
            continue
        if kind == LENGTH:
            size, place = _varint(message, place)
        elif kind in (EIGHT_BYTES, FOUR_BYTES):
            size = 8 if kind == EIGHT_BYTES else 4
        else:
            raise ValueError(f"wire type {kind}")
        if place + size > len(message):
            raise IndexError("cut short")
        yield number, message[place : place + size]
        place += size


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    if message[place] < 0x80:
        return message[place], place + 1
    value = shift = 0
    while True:
        byte = message[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place
