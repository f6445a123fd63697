"""Runtimes, one file each: whatever file of this folder has ``RUNTIMES`` is one, with its variants, and found by name.

    ort                ONNX Runtime, CPU
    litert             LiteRT with its default XNNPACK kernels: what a phone or a Raspberry Pi runs
    litert-builtin     LiteRT without XNNPACK
    litert-reference   LiteRT's plain reference kernels, the ones that define the right answer
    tflm               TensorFlow Lite for Microcontrollers
    tflite-runtime     LiteRT's predecessor, the only one for 32-bit Raspberry Pi OS
    c                  none: the model as C, compiled

The floor of this package is Python 3.9, NumPy and one runtime, and its modules import each other relatively: boards get
the folder as it is, under any name, and start the worker in it with ``python3 -m NAME``. What is opened here is opened
in the calling process; untrusted files go through ``edgekit.modelfiles.session``.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from .runtime import Runtime

RUNTIMES: dict[str, Runtime] = {
    runtime.name: runtime
    for module in iter_modules(__path__)
    if not module.ispkg and not module.name.startswith("_")
    for runtime in getattr(import_module(f".{module.name}", __name__), "RUNTIMES", ())
}
