"""tflite-runtime 2.14 (2023), LiteRT's predecessor: what 32-bit Raspberry Pi OS still has.

It was built against NumPy 1 and cannot live beside NumPy 2, so it is used where it is present, as a rule by a Python
interpreter in an environment of its own that ``EDGEKIT_TFLITE_RUNTIME_PYTHON`` names.
"""

from __future__ import annotations

from .interpreter import InterpreterRuntime

RUNTIMES = (
    InterpreterRuntime(
        name="tflite-runtime",
        title="tflite-runtime",
        suffix=".tflite",
        package="tflite-runtime",
        module="tflite_runtime.interpreter",
        python_variable="EDGEKIT_TFLITE_RUNTIME_PYTHON",
        kernels="tflite-xnnpack",
    ),
)
