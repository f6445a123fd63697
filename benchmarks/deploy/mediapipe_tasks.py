"""int8 files of real classifiers in MediaPipe's ImageClassifier beside EdgeKit: the same labels, the same scores.

Takes the networks and images of benchmarks/quantize, and quantizes each with ``--io uint8`` and with ``--io float32``.
MediaPipe refuses float input that has another mean or std for each channel; EfficientNet-Lite0 has one for all.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "quantize"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from images import part_of
from models import Model, open_model
from places import ENVIRONMENTS, ROOT
from record import record
from tools import calibration_of

from edgekit.evaluation.classifier import Classifier

FOLDER = Path(__file__).resolve().parent
PACKAGE = "mediapipe==1.2.2"
PRODUCTS = ROOT / "runs" / "benchmarks" / "deploy"
IMAGES = {"resnet56": 1000, "mobilenetv2": 100, "efficientnet_lite0": 100}
CLASSES = {"resnet56": 10, "mobilenetv2": 1000, "efficientnet_lite0": 1000}
FORMS = ("uint8", "float32")


def mediapipe_python() -> Path:
    """The Python of an environment with mediapipe, made if it is not there."""
    python = ENVIRONMENTS / "mediapipe" / "bin" / "python"
    ready = ENVIRONMENTS / "mediapipe" / "benchmark-ready"
    if not ready.exists():
        subprocess.run([sys.executable, "-m", "venv", str(python.parents[1])], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", PACKAGE], check=True)
        ready.touch()
    return python


def quantized(model: Model, form: str) -> Path:
    """The int8 .tflite file of a network with input and output of type ``form``."""
    folder = PRODUCTS / f"{model.name}-{form}"
    file = folder / "model.int8.tflite"
    if not file.exists():
        data = ["--data", str(calibration_of(model).source), "--calibration", "200"]
        labels = PRODUCTS / f"{model.name}.txt"
        labels.write_text("".join(f"class {number}\n" for number in range(CLASSES[model.name])))
        command = [sys.executable, "-m", "edgekit", "quantize", "--int8", str(model.path), "--rungs", "1", *data]
        command += ["--labels", str(labels)]
        subprocess.run(
            [*command, "--io", form, "--out", str(folder)], check=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
        )
    return file


def compared(file: Path, images: np.ndarray[Any, Any], answer: dict[str, Any]) -> dict[str, Any]:
    """How MediaPipe's labels and scores for the images differ from ours; or why it refuses the file."""
    if "error" in answer:
        return {"refused": answer["error"]}
    with Classifier(file) as classifier:
        ours, labels, step = classifier.scores(images), classifier.labels, classifier.output.scale
    theirs = np.array([[dict(map(tuple, found)).get(label, np.nan) for label in labels] for found in answer["answers"]])
    differences = np.abs(theirs - ours)
    return {
        "images": len(images),
        "bytes": file.stat().st_size,
        "top1_agreement": float((theirs.argmax(axis=1) == ours.argmax(axis=1)).mean()),
        "equal_scores": float((differences < 1e-5).mean()),
        "largest_difference": float(np.nanmax(differences)),
        "step_of_the_output": step,
    }


def main() -> None:
    python = mediapipe_python()
    results: dict[str, Any] = {}
    for name, count in IMAGES.items():
        model = open_model(name)
        images = np.ascontiguousarray(part_of(model.images, "development").images[:count])
        np.save(PRODUCTS / f"{name}.npy", images)
        files = {form: quantized(model, form) for form in FORMS}
        job = {"images": str(PRODUCTS / f"{name}.npy"), "models": [str(file) for file in files.values()]}
        command = [str(python), "-P", str(FOLDER / "mediapipe_job.py"), json.dumps(job)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        answers = json.loads(done.stdout.splitlines()[-1])
        for form, file in files.items():
            results[f"{name}, --io {form}"] = compared(file, images, answers["models"][str(file)])
    record(__file__, {"mediapipe": answers["version"], "files": results})


if __name__ == "__main__":
    PRODUCTS.mkdir(parents=True, exist_ok=True)
    main()
