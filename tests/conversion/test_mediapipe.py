"""A .tflite file opens as it is in the ImageClassifier of MediaPipe Tasks, which reads the standard metadata.

MediaPipe stands in an environment of its own: $EDGEKIT_MEDIAPIPE_PYTHON names its Python (.ci/run makes one).
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper
from small_graphs import graph_of, noise, quantized

from edgekit.artifact import Metadata
from edgekit.conversion.tflite import lower
from edgekit.evaluation.classifier import Classifier
from edgekit.graph.prepare import prepare
from edgekit.inputs.contract import InputContract

PYTHON = os.environ.get("EDGEKIT_MEDIAPIPE_PYTHON", "")
JOB = Path(__file__).parents[2] / "benchmarks" / "deploy" / "mediapipe_job.py"
LABELS = ("crème brûlée", "tench, Tinca tinca", "-", "truck")
SIDE = 32
CONTRACT = InputContract(SIDE, SIDE, 3)
Answers = dict[str, dict[str, Any]]

needs_mediapipe = pytest.mark.skipif(not PYTHON, reason="EDGEKIT_MEDIAPIPE_PYTHON names no Python with mediapipe")
node = helper.make_node


@pytest.fixture(scope="module")
def network() -> onnx.ModelProto:
    """A small classifier of colour images with probabilities."""
    nodes = [
        node("Conv", ["image", "w1"], ["a"], strides=[2, 2], pads=[0, 0, 1, 1]),
        node("Relu", ["a"], ["b"]),
        node("Conv", ["b", "w2"], ["c"]),
        node("GlobalAveragePool", ["c"], ["d"]),
        node("Flatten", ["d"], ["e"]),
        node("Softmax", ["e"], ["scores"]),
    ]
    weights = {"w1": noise(8, 3, 3, 3), "w2": noise(len(LABELS), 8, 3, 3, seed=1)}
    return prepare(graph_of(nodes, {"image": (1, 3, SIDE, SIDE)}, weights, outputs=["scores"]))


@pytest.fixture(scope="module")
def images() -> NDArray[np.uint8]:
    """Coloured gradients, which the classes tell apart."""
    ends = np.random.default_rng(0).integers(0, 256, (12, 2, 3))
    steps = np.linspace(0, 1, SIDE)[:, None, None]
    gradients = ends[:, None, None, 0] * (1 - steps) + ends[:, None, None, 1] * steps
    return np.broadcast_to(gradients, (12, SIDE, SIDE, 3)).round().astype(np.uint8)


FORMS: dict[str, tuple[str, InputContract]] = {
    "float": ("float", CONTRACT),
    "float, normalised": ("float", replace(CONTRACT, mean=(0.5,), std=(0.25,))),
    "float, normalised by channel": ("float", replace(CONTRACT, mean=(0.4, 0.5, 0.6), std=(0.25,))),
    "--io float32": ("float32", CONTRACT),
    "--io uint8": ("uint8", CONTRACT),
    "--io int8": ("int8", CONTRACT),
}


@pytest.fixture(scope="module")
def files(network: onnx.ModelProto, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The classifier in each form, by its name in FORMS."""
    written = {}
    for number, (name, (io, contract)) in enumerate(FORMS.items()):
        model = network if io == "float" else quantized(network, io)
        written[name] = tmp_path_factory.mktemp("models") / f"{number}.tflite"
        written[name].write_bytes(lower(model, Metadata(contract, LABELS)))
    return written


@pytest.fixture(scope="module")
def answers(files: dict[str, Path], images: NDArray[np.uint8], tmp_path_factory: pytest.TempPathFactory) -> Answers:
    """What MediaPipe says to each file about the images."""
    path = tmp_path_factory.mktemp("images") / "images.npy"
    np.save(path, images)
    job = {"images": str(path), "models": [str(file) for file in files.values()]}
    done = subprocess.run([PYTHON, "-P", str(JOB), json.dumps(job)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])["models"]
    return {name: said[str(file)] for name, file in files.items()}


@needs_mediapipe
@pytest.mark.parametrize("form", ["float", "float, normalised", "--io float32", "--io uint8"])
def test_labels_and_scores_are_those_of_edgekit(
    files: dict[str, Path], answers: Answers, images: NDArray[np.uint8], form: str
) -> None:
    with Classifier(files[form]) as classifier:
        ours = classifier.scores(images)
    assert len(set(ours.argmax(axis=1))) > 1
    for row, found in zip(ours, answers[form]["answers"], strict=True):
        assert found[0][0] == LABELS[row.argmax()]
        theirs = dict(found)
        np.testing.assert_allclose([theirs.get(label, 0.0) for label in LABELS], row, atol=1e-5)


@needs_mediapipe
@pytest.mark.parametrize(
    ("form", "words"), [("--io int8", "type"), ("float, normalised by channel", "Per-channel image normalization")]
)
def test_mediapipe_refuses_int8_input_and_float_input_normalised_by_channel(
    answers: Answers, form: str, words: str
) -> None:
    assert words in answers[form]["error"]
