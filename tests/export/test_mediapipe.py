"""A .tflite file opens as it is in the ImageClassifier of MediaPipe Tasks, which reads the standard metadata.

MediaPipe stands in an environment of its own: $EDGEKIT_MEDIAPIPE_PYTHON names its Python (.ci/run makes one).
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper
from small_graphs import graph_of, noise, quantized

from edgekit.artifact import InputContract, Metadata
from edgekit.evaluate.classifier import Classifier
from edgekit.export.tflite import lower
from edgekit.graph.prepare import prepare

PYTHON = os.environ.get("EDGEKIT_MEDIAPIPE_PYTHON", "")
JOB = Path(__file__).parents[2] / "benchmarks" / "deploy" / "mediapipe_job.py"
LABELS = ("crème brûlée", "tench, Tinca tinca", "-", "truck")
SIDE = 32

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


def asked(folder: Path, file: bytes, images: NDArray[np.uint8]) -> dict[str, Any]:
    """What MediaPipe says to a file and some images."""
    (folder / "model.tflite").write_bytes(file)
    np.save(folder / "images.npy", images)
    job = {"images": str(folder / "images.npy"), "models": [str(folder / "model.tflite")]}
    command = [PYTHON, "-P", str(JOB), json.dumps(job)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (answer,) = json.loads(done.stdout.splitlines()[-1])["models"].values()
    return answer


@needs_mediapipe
@pytest.mark.parametrize("form", ["float", "float32", "uint8"])
def test_labels_and_scores_are_those_of_edgekit(
    network: onnx.ModelProto, images: NDArray[np.uint8], form: str, tmp_path: Path
) -> None:
    model = network if form == "float" else quantized(network, form)
    answer = asked(tmp_path, lower(model, Metadata(InputContract(SIDE, SIDE, 3), LABELS)), images)
    with Classifier(tmp_path / "model.tflite") as classifier:
        ours = classifier.scores(images)
    assert len(set(ours.argmax(axis=1))) > 1
    for row, found in zip(ours, answer["answers"], strict=True):
        assert found[0][0] == LABELS[row.argmax()]
        theirs = dict(found)
        np.testing.assert_allclose([theirs.get(label, 0.0) for label in LABELS], row, atol=1e-6)


@needs_mediapipe
def test_a_normalisation_that_all_channels_share_is_applied_to_float_input(
    network: onnx.ModelProto, images: NDArray[np.uint8], tmp_path: Path
) -> None:
    contract = InputContract(SIDE, SIDE, 3, mean=(0.5,), std=(0.25,))
    answer = asked(tmp_path, lower(network, Metadata(contract, LABELS)), images)
    with Classifier(tmp_path / "model.tflite") as classifier:
        ours = classifier.scores(images)
    theirs = [[dict(found)[label] for label in LABELS] for found in answer["answers"]]
    np.testing.assert_allclose(theirs, ours, atol=1e-5)


@needs_mediapipe
def test_int8_input_is_refused_by_mediapipe_and_needs_io_uint8(
    network: onnx.ModelProto, images: NDArray[np.uint8], tmp_path: Path
) -> None:
    answer = asked(tmp_path, lower(quantized(network), Metadata(InputContract(SIDE, SIDE, 3), LABELS)), images)
    assert "type" in answer["error"].lower()
