"""The process on the other side of ``edgekit.sandbox``, and the messages that the two exchange.

This file is also run as a script, possibly by another Python interpreter that has nothing but NumPy and one model
runtime. So it imports only the standard library and NumPy, and takes the ``edgekit`` package from its own folder
without putting that folder's neighbours (another NumPy, say) on the path.

A message is a JSON text and the raw bytes of the arrays in it; nothing is ever unpickled:

    uint64 length of the JSON · JSON {"value": tree, "arrays": [[dtype, shape], ...]} · bytes of each array in order

An array inside the tree is written as ``{"__array__": its index}``.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import math
import os
import signal
import struct
import sys
import traceback
from pathlib import Path
from typing import IO, Any

import numpy as np

MARK = "__array__"
MAX_MESSAGE_BYTES = 1 << 30
MAX_FILE_BYTES = 16 << 20
NUMBER_TYPES = frozenset(
    ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64")
)


class ProtocolError(Exception):
    """A message that this module did not write."""


def send(stream: IO[bytes], value: Any) -> None:
    """Write a tree of dicts, lists, strings, numbers and ndarrays as one message.

    Raises:
        ProtocolError: something in it is neither, or the message is larger than MAX_MESSAGE_BYTES.
    """
    arrays: list[np.ndarray[Any, Any]] = []

    def flatten(node: Any) -> Any:
        if isinstance(node, dict) and MARK in node:  # the name of an operator in a stranger's file, say
            raise ProtocolError(f"'{MARK}' cannot be a key")
        if isinstance(node, np.ndarray):
            if node.dtype.name not in NUMBER_TYPES:
                raise ProtocolError(f"a tensor of type {node.dtype.name} cannot be handed over")
            arrays.append(node)
            return {MARK: len(arrays) - 1}
        if isinstance(node, dict):
            return {key: flatten(item) for key, item in node.items()}
        if isinstance(node, list | tuple):
            return [flatten(item) for item in node]
        return node

    tree = flatten(value)
    if sum(array.nbytes for array in arrays) > MAX_MESSAGE_BYTES:
        raise ProtocolError(f"tensors of more than {MAX_MESSAGE_BYTES >> 20} MiB cannot be handed over")
    layouts = [[array.dtype.name, array.shape] for array in arrays]
    try:
        head = json.dumps({"value": tree, "arrays": layouts}).encode()
    except (TypeError, ValueError, RecursionError) as exc:
        raise ProtocolError(f"a value cannot be handed over: {exc}") from exc
    stream.write(struct.pack("<Q", len(head)) + head)
    for array in arrays:
        stream.write(array.tobytes())
    stream.flush()


def receive(stream: IO[bytes]) -> Any:
    """Read one message that ``send`` wrote; its size is checked before anything is allocated.

    Raises:
        EOFError: the other side has gone.
        ProtocolError: the bytes are no such message.
    """
    (length,) = struct.unpack("<Q", _read(stream, 8))
    if length > MAX_MESSAGE_BYTES:
        raise ProtocolError(f"a message of {length} bytes is too long")
    try:
        head = json.loads(_read(stream, length))
        layouts = [(str(dtype), tuple(int(size) for size in shape)) for dtype, shape in head["arrays"]]
        tree = head["value"]
    except (ValueError, TypeError, KeyError) as exc:
        raise ProtocolError(f"a message cannot be read: {exc}") from exc
    if any(dtype not in NUMBER_TYPES or min(shape, default=0) < 0 for dtype, shape in layouts):
        raise ProtocolError("a message holds something that is not an array of numbers")
    if sum(np.dtype(dtype).itemsize * math.prod(shape) for dtype, shape in layouts) > MAX_MESSAGE_BYTES:
        raise ProtocolError("a message holds too much data")
    arrays = [
        np.frombuffer(_read(stream, np.dtype(dtype).itemsize * math.prod(shape)), dtype).reshape(shape)
        for dtype, shape in layouts
    ]

    def restore(node: Any) -> Any:
        if isinstance(node, dict):
            return arrays[node[MARK]] if MARK in node else {key: restore(x) for key, x in node.items()}
        return [restore(item) for item in node] if isinstance(node, list) else node

    return restore(tree)


def _read(stream: IO[bytes], count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise EOFError
    return data


def serve(requests: IO[bytes], replies: IO[bytes]) -> None:
    """Answer ``{"call": "module:function", "arguments": {...}, "seconds": n}`` until the other side closes."""
    while True:
        try:
            request = receive(requests)
        except EOFError:
            return
        _set_alarm(request["seconds"])
        try:
            reply = {"result": _call(request["call"], request["arguments"])}
        except Exception as exc:
            reply = {"error": _describe(exc)}
        _set_alarm(0)
        try:
            send(replies, reply)
        except ProtocolError as exc:
            send(replies, {"error": _describe(exc)})


def _call(target: str, arguments: dict[str, Any]) -> Any:
    module, _, function = target.partition(":")
    return getattr(importlib.import_module(module), function)(**arguments)


def _describe(exc: Exception) -> dict[str, str]:
    """The class of an error of ours (or MemoryError; empty for any other), its text and its trace."""
    from edgekit.errors import EdgekitError

    trace = "".join(traceback.format_exception(exc))
    if isinstance(exc, EdgekitError):
        return {"class": type(exc).__name__, "text": str(exc), "trace": trace}
    if isinstance(exc, MemoryError):
        return {"class": "MemoryError", "text": str(exc), "trace": trace}
    return {"class": "", "text": f"{type(exc).__name__}: {exc}", "trace": trace}


def _set_alarm(seconds: int) -> None:
    """Let the system end this process if a call hangs after the parent, which should do so, was itself killed."""
    if hasattr(signal, "alarm"):
        signal.alarm(seconds)


def _limit_resources(memory_bytes: int) -> None:
    """Bound memory and forbid core dumps and large files, where the system can (not on Windows)."""
    if importlib.util.find_spec("resource") is None:
        return
    import resource

    wanted = {"RLIMIT_DATA": memory_bytes, "RLIMIT_CORE": 0, "RLIMIT_FSIZE": MAX_FILE_BYTES}
    for name, value in wanted.items():
        kind = getattr(resource, name)
        _, hard = resource.getrlimit(kind)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, hard))


def _adopt_package() -> None:
    folder = Path(__file__).resolve().parent
    spec = importlib.util.spec_from_file_location(
        "edgekit", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules["edgekit"] = package
    spec.loader.exec_module(package)


def main() -> None:
    """Run as a script: ``sandbox_child.py MEMORY_BYTES`` with requests on stdin and replies on stdout."""
    _limit_resources(int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's affair, which closes the pipe
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a native library prints must not get between the replies
    _adopt_package()
    serve(sys.stdin.buffer, replies)


if __name__ == "__main__":
    main()
