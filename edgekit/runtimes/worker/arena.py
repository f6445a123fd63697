"""The tensor arena that TFLite Micro needs for a model, to the byte."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from .. import RUNTIMES
from ..refusal import Refusal, first_line

ALIGNMENT = 16
GENEROUS = (16 << 20, 256 << 20)
"""Arena sizes to begin with: the failure paths of some kernels crash, so too small a size is tried last."""
RECORDED = re.compile(r"Arena allocation (total|head|tail) (\d+) bytes")


def find_arena(request: dict[str, Any], emit: Callable[..., None]) -> dict[str, Any]:
    """The smallest arena, in steps of 16 bytes, in which TFLite Micro loads the file; nothing is allocated later.

    ``head_bytes`` (activations and scratch, reused) and ``tail_bytes`` (what lives as long as the interpreter) are what
    TFLite Micro's recording allocator reports. The tail holds pointers: on a 32-bit microcontroller it is smaller than
    in the 64-bit process here. ``unavailable`` says why there is no answer.
    """
    emit(phase="importing TFLite Micro")
    try:
        runtime = RUNTIMES["tflm"].load()
    except Refusal as exc:
        return {"unavailable": str(exc)}
    emit(phase="loading the file in TFLite Micro")
    data = Path(request["model"]).read_bytes()

    opens = partial(runtime.Interpreter.from_bytes, data)
    for size in GENEROUS:
        try:
            interpreter = opens(arena_size=size)
            break
        except RuntimeError:
            continue
        except Exception as exc:  # the Python side of TFLite Micro parses the file with generated code
            return {"unavailable": f"TFLite Micro cannot read the file ({first_line(exc)})"}
    else:
        return {"unavailable": "TFLite Micro has no kernel for one of its operators, or none for its types"}
    recorded = _recorded(interpreter)
    return {
        "arena_bytes": _smallest(opens, recorded["total"], size),
        "head_bytes": recorded["head"],
        "tail_bytes": recorded["tail"],
        "version": RUNTIMES["tflm"].version(),
    }


def _smallest(opens: Callable[..., Any], recorded: int, enough: int) -> int:
    """The recorded total as a rule; more where loading needs scratch memory that it gives back."""

    def fits(size: int) -> bool:
        try:
            opens(arena_size=size)
        except RuntimeError:
            return False
        return True

    low = -(-recorded // ALIGNMENT)
    if fits(low * ALIGNMENT):
        return low * ALIGNMENT
    high = -(-enough // ALIGNMENT)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(middle * ALIGNMENT) else (middle, high)
    return high * ALIGNMENT


def _recorded(interpreter: Any) -> dict[str, int]:
    """TFLite Micro prints its allocations to stderr only: catch them there."""
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as stream:
        os.dup2(stream.fileno(), 2)
        try:
            interpreter.print_allocations()
        finally:
            os.dup2(saved, 2)
            os.close(saved)
        stream.seek(0)
        text = stream.read().decode(errors="replace")
    return {part: int(count) for part, count in RECORDED.findall(text)}
