"""A small convolutional network that reads digits, as a float ONNX file: random filters, a fitted last layer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto
from onnx.helper import make_node
from small_graphs import graph_of, noise, session

from edgekit.artifact import Metadata
from edgekit.data.dataset import Dataset
from edgekit.graph.metadata import write_metadata
from edgekit.inputs.contract import InputContract

CONTRACT = InputContract(28, 28, 1, domain="digit")
FITTED_ON = 2000


@pytest.fixture(scope="session")
def float_model(mnist: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A strided, a depthwise and a pointwise convolution, pooling, one fully-connected layer; about 95% right."""
    features = session(network(np.eye(288, dtype=np.float32)))
    images, labels = mnist.train.images[:FITTED_ON], mnist.train.labels
    assert labels is not None
    reals = CONTRACT.real(images).transpose(0, 3, 1, 2)
    rows = np.concatenate([features.run(None, {"image": real[None]})[0] for real in reals]).astype(np.float64)
    targets = np.eye(10)[labels[:FITTED_ON]] - 0.1
    head = np.linalg.solve(rows.T @ rows + 10 * np.eye(rows.shape[1]), rows.T @ targets)
    path = tmp_path_factory.mktemp("float") / "model.onnx"
    model = write_metadata(network(10 * head.T.astype(np.float32)), Metadata(CONTRACT, mnist.classes))
    path.write_bytes(model.SerializeToString())
    return path


def network(head: np.ndarray) -> ModelProto:
    nodes = [
        make_node("Conv", ["image", "filters"], ["edges"], strides=[2, 2], pads=[2, 2, 2, 2]),
        make_node("Relu", ["edges"], ["positive_edges"]),
        make_node("Conv", ["positive_edges", "depthwise"], ["shapes"], group=16, pads=[1, 1, 1, 1]),
        make_node("Conv", ["shapes", "pointwise"], ["mixed"]),
        make_node("Relu", ["mixed"], ["positive"]),
        make_node("MaxPool", ["positive"], ["pooled"], kernel_shape=[4, 4], strides=[4, 4]),
        make_node("Flatten", ["pooled"], ["flat"]),
        make_node("Gemm", ["flat", "head"], ["logits"], transB=1),
    ]
    constants = {
        "filters": noise(16, 1, 5, 5) / 5,
        "depthwise": noise(16, 1, 3, 3, seed=1) / 3,
        "pointwise": noise(32, 16, 1, 1, seed=2) / 4,
        "head": head,
    }
    return graph_of(nodes, {"image": [1, 1, 28, 28]}, constants, ["logits"])
