"""The model: the bytes of a picture or text in, labels with probabilities out."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from threading import Lock
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgekit.inputs import tensors
from edgekit.inputs.described import read_contract
from edgekit.inputs.golden import Golden, make_inputs
from edgekit.inputs.trail import first_astray
from edgekit.runtimes import RUNTIMES
from edgekit.runtimes.refusal import Refusal
from edgekit.runtimes.runtime import Session

if TYPE_CHECKING:
    from edgekit.inputs.contracts import Contract

Array = NDArray[Any]

MAX_THREADS = 4
SMALL_BYTES = 500_000
"""Of a model file; below that, waking up threads takes longer than they save."""
DEFAULT_TOP = 3
FALLBACKS = ("tflite-runtime",)
# 300 MB while it is decoded, in the worst form: a board has little memory, and the service's unit allows 400.
MAX_PIXELS = 20_000_000
ODD = "this device answers differently than the machine where the model was made"


class AppError(Exception):
    """What the user can do something about; the message is a sentence."""


class Asked(Protocol):
    """Who answers a picture or text, and how its bytes are read."""

    contract: Contract

    def answer(self, data: bytes, name: str, top: int = DEFAULT_TOP) -> dict[str, Any]:
        """The likeliest classes, likeliest first, and milliseconds."""

    def scores(self, data: bytes, name: str) -> list[Any]:
        """What is stored in the output."""


class Model:
    """The model in a bundle's folder, open in its runtime. Several threads may call it at once."""

    def __init__(self, folder: Path, threads: int = 0) -> None:
        self.about = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        self.contract: Contract = read_contract(self.about["contract"])
        self.labels = (folder / "labels.txt").read_text(encoding="utf-8").split("\n")[:-1]
        if self.contract.INPUT == "image":
            from PIL import Image

            Image.MAX_IMAGE_PIXELS = MAX_PIXELS
        path = folder / self.about["file"]
        if self.about["runtime"] == "c":
            from .library import library

            path = library(path)
            if not path.is_file():
                raise AppError("the model is not compiled for this processor; run ./install.sh")
        self._session = open_model(path, self.about["runtime"], threads or default_threads(path))
        self._lock = Lock()
        self.complaint = self._compare(folder, path)
        """How this device answers differently than the machine where the model was made; empty if it does not."""

    def answer(self, data: bytes, name: str, top: int = DEFAULT_TOP) -> dict[str, Any]:
        """The likeliest classes of a picture or text, likeliest first, and the milliseconds of the inference alone.

        Raises:
            InputError: it cannot be read, or shows no digit where the model knows digits only.
        """
        tensor = self.encode(data, name)
        with self._lock:  # a runtime's session takes one call at a time
            start = time.perf_counter()
            (stored,) = self._session.run([tensor])
            seconds = time.perf_counter() - start
        chances = self.probabilities(stored)
        order = np.argsort(-chances, kind="stable")[:top]
        guesses = [{"label": self.labels[index], "probability": round(float(chances[index]), 4)} for index in order]
        return {"guesses": guesses, "ms": round(seconds * 1000, 3)}

    @property
    def called(self) -> str:
        """What it takes, in a word."""
        return self.contract.CALLED

    @property
    def endings(self) -> tuple[str, ...]:
        """Of files that it takes."""
        return self.contract.endings

    def named(self, word: str) -> Asked:
        """Who is asked about a word of the command line or a file; behind a door that may be another model."""
        return self

    def sent(self, kind: str) -> Asked:
        """The same for what came over HTTP with a content type."""
        return self

    def encode(self, data: bytes, name: str) -> Array:
        """An encoded picture or a text as the model's input tensor."""
        spec = SimpleNamespace(**self.about["input"])
        return self.contract.tensor(data, name, spec, spec.layout)

    def scores(self, data: bytes, name: str) -> list[Any]:
        """What the model stores in its output: integers if it is quantized."""
        with self._lock:
            (stored,) = self._session.run([self.encode(data, name)])
        scores: list[Any] = stored.reshape(-1).tolist()
        return scores

    def _compare(self, folder: Path, path: Path) -> str:
        if not self.about["golden"]:
            return ""
        golden = Golden.from_dict(self.about["golden"])
        (output,) = self._session.run(make_inputs([SimpleNamespace(**self.about["input"])], golden.seed))
        complaint, trail = golden.complaint(output), folder / "operators.json"
        if not complaint or not trail.is_file():
            return complaint
        operators = json.loads(trail.read_text(encoding="utf-8"))
        culprit = first_astray(path.read_bytes(), operators, lambda model: open_model(model, self.about["runtime"], 1))
        return complaint + (f"; the first operator that differs is {culprit}" if culprit else "")

    def probabilities(self, stored: Array) -> NDArray[np.float64]:
        """The output tensor as one probability for each class."""
        spec = self.about["output"]
        real = tensors.dequantize(stored.reshape(1, -1), spec["scale"], spec["zero_point"])
        chances: NDArray[np.float64] = tensors.to_probabilities(real, spec["probabilities"])[0]
        return chances


def default_threads(path: Path) -> int:
    """As many threads as a model of this size gains from here."""
    return 1 if path.stat().st_size < SMALL_BYTES else min(MAX_THREADS, os.cpu_count() or 1)


def open_model(model: Path | bytes, runtime: str, threads: int) -> Session:
    """Open the model file, or what is in one; where LiteRT is missing, its predecessor tflite-runtime will do.

    Raises:
        AppError: the runtime is not installed here, or refuses the file.
    """
    missing = None
    for name in (runtime, *FALLBACKS):
        if name in RUNTIMES:
            try:
                return RUNTIMES[name].open(model if isinstance(model, bytes) else str(model), threads)
            except Refusal as exc:
                if exc.kind != "runtime":
                    raise AppError(f"the model cannot be opened: {exc}; copy the bundle again") from exc
                missing = missing or exc
    raise AppError(f"the model cannot be opened: {missing}; run ./install.sh, then .venv/bin/python app.py")
