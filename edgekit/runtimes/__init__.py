"""Runtimes, each one file that is imported when it is opened by name.

    ort                ONNX Runtime, CPU
    litert             LiteRT with its default XNNPACK kernels: what a phone or a Raspberry Pi runs
    litert-builtin     LiteRT without XNNPACK
    litert-reference   LiteRT's plain reference kernels, the ones that define the right answer
    tflm               TensorFlow Lite for Microcontrollers
    tflite-runtime     LiteRT's predecessor, the only one for 32-bit Raspberry Pi OS

These open files in the calling process; untrusted ones go through ``edgekit.modelfiles.session``.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as package_version
from pathlib import Path

from edgekit.errors import ModelError, UnknownNameError, UsageError
from edgekit.graph.load import whole_file
from edgekit.runtimes.session import Session


@dataclass(frozen=True)
class Runtime:
    """A runtime, installed or not.

    ``module`` is its file below edgekit.runtimes, ``package`` its distribution, ``kernels`` its option where it has
    a choice of them, ``python_variable`` the environment variable that names the Python interpreter it lives in
    where that may be another than ours.
    """

    name: str
    title: str
    suffix: str
    module: str
    package: str
    kernels: str = ""
    python_variable: str = ""

    def load(self, model: Path | bytes, threads: int = 1) -> Session:
        """Open a model in this process.

        Raises:
            ModelError: the runtime does not accept it.
            MemoryError: it asks for more memory than there is.
        """
        module = importlib.import_module(f"edgekit.runtimes.{self.module}")
        source = str(model) if isinstance(model, Path) else f"A model of {len(model)} bytes"
        data = whole_file(model) if isinstance(model, Path) else model
        options = {"kernels": self.kernels} if self.kernels else {}
        session: Session = module.load(data, source, threads, **options)
        return session

    def available(self) -> bool:
        """True if its package is installed."""
        return bool(self.version())

    def version(self) -> str:
        """The version of its package; empty if it is not installed."""
        try:
            return package_version(self.package)
        except PackageNotFoundError:
            return ""


RUNTIMES = {
    runtime.name: runtime
    for runtime in (
        Runtime("ort", "ONNX Runtime", ".onnx", "ort", "onnxruntime"),
        Runtime("litert", "LiteRT", ".tflite", "litert", "ai-edge-litert", "xnnpack"),
        Runtime("litert-builtin", "LiteRT without XNNPACK", ".tflite", "litert", "ai-edge-litert", "builtin"),
        Runtime("litert-reference", "LiteRT reference kernels", ".tflite", "litert", "ai-edge-litert", "reference"),
        Runtime("tflm", "TFLite Micro", ".tflite", "tflm", "tflite-micro"),
        Runtime(
            name="tflite-runtime",
            title="tflite-runtime",
            suffix=".tflite",
            module="tflite_runtime",
            package="tflite-runtime",
            python_variable="EDGEKIT_TFLITE_RUNTIME_PYTHON",
        ),
    )
}


def find_runtime(name: str) -> Runtime:
    """The runtime called ``name``, installed or not.

    Raises:
        UnknownNameError: there is none of that name.
    """
    if name not in RUNTIMES:
        raise UnknownNameError("runtime", name, RUNTIMES)
    return RUNTIMES[name]


def open_runtime(name: str) -> Runtime:
    """The runtime called ``name``.

    Raises:
        UnknownNameError: there is none of that name.
        UsageError: its package is not installed.
    """
    runtime = find_runtime(name)
    if not runtime.available():
        elsewhere = f" or name a Python that has it in {runtime.python_variable}" if runtime.python_variable else ""
        raise UsageError(f"The runtime {name} is not installed; install {runtime.package}{elsewhere}.")
    return runtime


def default_runtime(path: Path) -> str:
    """The name of the runtime that opens a file of this kind: ``ort`` or ``litert``.

    Raises:
        ModelError: it is neither .onnx nor .tflite.
    """
    for name in ("ort", "litert"):
        if path.suffix.lower() == RUNTIMES[name].suffix:
            return name
    raise ModelError(f"{path} is neither an .onnx nor a .tflite file; give one of these.")
