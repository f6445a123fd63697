"""The tools that are compared, and each one's int8 files of each model: made once, by a process of its own."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from environments import python_of
from images import part_of
from models import Model
from peer_job import TIMES
from places import DATA, FILES, ROOT
from watch import GIB, watch

FORMATS = {"onnx": "model.int8.onnx", "tflite": "model.int8.tflite"}
RECORD = "outcome.json"
PATIENCE = 3600.0
"""Seconds after which a tool is ended."""
EDGEKIT, EDGEKIT_FLOAT_IO = "edgekit", "edgekit float32 I/O"
OWN = {
    EDGEKIT: (),
    EDGEKIT_FLOAT_IO: ("--io", "float32"),
    "per tensor, rung 1": ("--per-tensor", "--rungs", "1"),
    "per tensor, rungs 1-2": ("--per-tensor", "--rungs", "2"),
    "per tensor, rungs 1-3": ("--per-tensor", "--rungs", "3"),
}
"""EdgeKit's defaults; files that take and give the types that most peers' do, for latency like for like; and the ladder
on the hard case of one scale for all channels of a convolution."""


@dataclass(frozen=True)
class Peer:
    """A method of a script ``peer_*.py`` in an environment of its own."""

    environment: str
    script: str
    method: str


PEERS = {
    "ORT min/max": Peer("ort", "peer_onnxruntime.py", "minmax"),
    "ORT percentile": Peer("ort", "peer_onnxruntime.py", "percentile"),
    "ORT entropy": Peer("ort", "peer_onnxruntime.py", "entropy"),
    "NNCF": Peer("nncf", "peer_nncf.py", "default"),
    "NNCF bias correction": Peer("nncf", "peer_nncf.py", "bias-correction"),
    "ai-edge-quantizer": Peer("litert-torch", "peer_litert_torch.py", "ai-edge"),
    "ai-edge-quantizer min/max": Peer("litert-torch", "peer_litert_torch.py", "ai-edge-minmax"),
    "litert-torch PT2E": Peer("litert-torch", "peer_litert_torch.py", "pt2e"),
}
TOOLS = (EDGEKIT, *PEERS)
"""What every table compares."""
ANCHORS = {
    "AIMET": Peer("aimet", "peer_aimet.py", "default"),
    "AIMET AdaRound": Peer("aimet", "peer_aimet.py", "adaround"),
    "AIMET SeqMSE": Peer("aimet", "peer_aimet.py", "seqmse"),
    "MCT": Peer("mct", "peer_mct.py", "default"),
}
"""Compared in accuracy alone: MCT's files compute in float what integers would."""
PER_TENSOR = {"ORT min/max per tensor": Peer("ort", "peer_onnxruntime.py", "minmax-per-tensor")}


@dataclass(frozen=True)
class Calibration:
    """Images to calibrate on: the first ``count`` of a .npy file for peers, ``source`` for ``edgekit quantize``."""

    pixels: Path
    source: Path
    count: int


@dataclass(frozen=True)
class Outcome:
    """What a tool made of a model, or why it failed.

    ``seconds``, ``processor_seconds`` and ``peak_bytes`` are those of its whole process, ``work_seconds`` of the
    quantization inside it (known for peers alone).
    """

    tool: str
    model: str
    images: int
    seconds: float
    processor_seconds: float
    work_seconds: float | None
    peak_bytes: int
    error: str | None
    folder: str

    def file(self, form: str) -> Path | None:
        """The tool's file in the form ``onnx`` or ``tflite``; None if it makes none."""
        path = ROOT / self.folder / FORMATS[form]
        return path if self.error is None and path.exists() else None

    def stages(self) -> dict[str, Any]:
        """Seconds of EdgeKit's rungs as it says them itself; nothing for a peer."""
        path = ROOT / self.folder / "quantize.json"
        if self.error is not None or not path.exists():
            return {}
        return {"rungs": json.loads(path.read_text(encoding="utf-8")).get("rungs")}

    def costs(self) -> dict[str, Any]:
        """What is said of it in a table."""
        times = {"seconds": self.seconds, "processor_seconds": self.processor_seconds}
        return {**times, "peak_bytes": self.peak_bytes, "error": self.error}


def calibration_of(model: Model) -> Calibration:
    """The calibration images of a model's set; EdgeKit gets them without labels and nothing else."""
    images = part_of(model.images, "calibration").images
    source = DATA / model.images / "calibration.npz"
    if not source.exists():
        np.savez(source, x_train=images)
    return Calibration(DATA / model.images / "calibration.npy", source, len(images))


def outcome_of(tool: str, model: Model, again: bool, memory: int = 16 * GIB) -> Outcome:
    """What ``tool`` made of ``model`` when it was last asked; asked now if never before, or if ``again``."""
    folder = FILES / model.name / tool.replace("/", "-").replace(" ", "-")
    record = folder / RECORD
    if record.exists() and not again:
        return Outcome(**json.loads(record.read_text()))
    return quantized(tool, model, calibration_of(model), folder, memory)


def quantized(
    tool: str, model: Model, images: Calibration, folder: Path, memory: int = 16 * GIB, seconds: float = PATIENCE
) -> Outcome:
    """Let ``tool`` quantize ``model`` into an emptied ``folder``, within ``memory`` bytes and ``seconds``."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    print(f"{model.name}: {tool}, {images.count} images", file=sys.stderr, flush=True)
    if tool in OWN:
        command = [*_edgekit(model, images, folder), *OWN[tool]]
    else:
        command = _peer({**PEERS, **ANCHORS, **PER_TENSOR}[tool], model, images, folder)
    done = watch(command, folder / "log.txt", memory, {"PYTHONPATH": str(ROOT)}, seconds)
    times = folder / TIMES
    outcome = Outcome(
        tool=tool,
        model=model.name,
        images=images.count,
        seconds=done.seconds,
        processor_seconds=done.processor_seconds,
        work_seconds=round(json.loads(times.read_text())["seconds"], 2) if times.exists() else None,
        peak_bytes=done.peak_bytes,
        error=done.error and done.error.replace(f"{ROOT}/", ""),
        folder=str(folder.relative_to(ROOT)),
    )
    (folder / RECORD).write_text(json.dumps(asdict(outcome)))
    return outcome


def _edgekit(model: Model, images: Calibration, folder: Path) -> list[str]:
    options = ["--data", str(images.source), "--out", str(folder), "--calibration", str(images.count)]
    return [sys.executable, "-m", "edgekit", "quantize", "--int8", str(model.path), *options]


def _peer(peer: Peer, model: Model, images: Calibration, folder: Path) -> list[str]:
    job = {
        "method": peer.method,
        "model": model.name,
        "onnx": str(model.path),
        "calibration": str(images.pixels),
        "images": images.count,
        "mean": model.contract.mean,
        "std": model.contract.std,
        "out": str(folder),
    }
    return [str(python_of(peer.environment)), str(Path(__file__).with_name(peer.script)), json.dumps(job)]
