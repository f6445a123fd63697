"""The model: a picture's bytes in, labels with probabilities out."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgekit.inputs import tensors
from edgekit.inputs.contract import InputContract

Array = NDArray[Any]

MAX_THREADS = 4
SMALL_BYTES = 500_000
"""Of a model file; below that, waking up threads takes longer than they save."""
DEFAULT_TOP = 3
# 150 MB once it is decoded: a board has little memory.
MAX_PIXELS = 50_000_000


class AppError(Exception):
    """What the user can do something about; the message is a sentence."""


class Model:
    """The model in a bundle's folder, open in its runtime. Several threads may call it at once."""

    def __init__(self, folder: Path, threads: int = 0) -> None:
        self.about = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        self.contract = InputContract.from_dict(self.about["contract"])
        self.labels = (folder / "labels.txt").read_text(encoding="utf-8").split("\n")[:-1]
        Image.MAX_IMAGE_PIXELS = MAX_PIXELS
        opener = open_tflite if self.about["runtime"] == "litert" else open_onnx
        path = folder / self.about["file"]
        self._run = opener(path, threads or default_threads(path))
        self._lock = Lock()

    def answer(self, data: bytes, name: str, top: int = DEFAULT_TOP) -> dict[str, Any]:
        """The likeliest classes of an encoded picture, likeliest first, and the milliseconds of the inference alone.

        Raises:
            InputError: it cannot be decoded, or shows no digit where the model knows digits only.
        """
        tensor = self.encode(data, name)
        with self._lock:  # a runtime's session takes one call at a time
            start = time.perf_counter()
            stored = self._run(tensor)
            seconds = time.perf_counter() - start
        chances = self.probabilities(stored)
        order = np.argsort(-chances, kind="stable")[:top]
        guesses = [{"label": self.labels[index], "probability": round(float(chances[index]), 4)} for index in order]
        return {"guesses": guesses, "ms": round(seconds * 1000, 3)}

    def encode(self, data: bytes, name: str) -> Array:
        """An encoded picture as the model's input tensor."""
        spec = SimpleNamespace(**self.about["input"])
        return self.contract.tensor(data, name, spec, spec.layout)

    def scores(self, data: bytes, name: str) -> list[Any]:
        """What the model stores in its output for an encoded picture: integers if it is quantized."""
        with self._lock:
            scores: list[Any] = self._run(self.encode(data, name)).reshape(-1).tolist()
        return scores

    def probabilities(self, stored: Array) -> NDArray[np.float64]:
        """The output tensor as one probability for each class."""
        spec = self.about["output"]
        real = tensors.dequantize(stored.reshape(1, -1), spec["scale"], spec["zero_point"])
        chances: NDArray[np.float64] = tensors.to_probabilities(real, spec["probabilities"])[0]
        return chances


def default_threads(path: Path) -> int:
    """As many threads as a model of this size gains from here."""
    return 1 if path.stat().st_size < SMALL_BYTES else min(MAX_THREADS, os.cpu_count() or 1)


def open_tflite(path: Path, threads: int) -> Callable[[Array], Array]:
    """Open a .tflite file in LiteRT, or in its predecessor tflite-runtime where that is what is installed."""
    interpreter = _interpreter_class()(model_path=str(path), num_threads=threads)
    interpreter.allocate_tensors()
    image, scores = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def run(tensor: Array) -> Array:
        interpreter.set_tensor(image, tensor)
        interpreter.invoke()
        result: Array = interpreter.get_tensor(scores)
        return result

    return run


def _interpreter_class() -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        try:
            from tflite_runtime.interpreter import Interpreter
        except ImportError as exc:
            raise AppError(f"LiteRT does not load ({exc}); run ./install.sh, then .venv/bin/python app.py") from exc
    return Interpreter


def open_onnx(path: Path, threads: int) -> Callable[[Array], Array]:
    """Open an .onnx file in ONNX Runtime, with the options that EdgeKit evaluates its files with."""
    try:
        import onnxruntime
    except ImportError as exc:
        raise AppError(f"ONNX Runtime does not load ({exc}); run ./install.sh, then .venv/bin/python app.py") from exc
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    data = path.read_bytes()
    if b"weight_only_wi8" in data:  # weights stored as integers, used in float: unpacked once, not in every run
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    elif b"edgekit" in data:  # exact sums of uint8 × int8 products on old x86 processors
        options.add_session_config_entry("session.x64quantprecision", "1")
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def run(tensor: Array) -> Array:
        result: Array = session.run(None, {name: tensor})[0]
        return result

    return run
