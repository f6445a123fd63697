"""tflite-runtime 2.14 (2023), LiteRT's predecessor: what 32-bit Raspberry Pi OS still has.

It was built against NumPy 1 and cannot live beside NumPy 2, so it is used where it is present, as a rule by a Python
interpreter in an environment of its own that ``EDGEKIT_TFLITE_RUNTIME_PYTHON`` names.
"""

from __future__ import annotations

from edgekit.runtimes.interpreter import InterpreterSession
from edgekit.runtimes.session import Session, cannot_open


def load(data: bytes, source: str, threads: int) -> Session:
    """Open a .tflite model.

    Raises:
        ModelError: the runtime refuses it.
    """
    from tflite_runtime.interpreter import Interpreter

    try:
        return InterpreterSession(Interpreter(model_content=data, num_threads=threads))
    except (ValueError, RuntimeError, MemoryError) as exc:
        raise cannot_open(source, "tflite-runtime", exc) from exc
