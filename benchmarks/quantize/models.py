"""The float ONNX files of the benchmarks: opset 17, batch 1, input ``image`` [1, C, H, W], output ``logits``."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from places import MODELS

from edgekit.artifact import Metadata
from edgekit.files import write_bytes
from edgekit.graph.metadata import read_metadata, write_metadata
from edgekit.inputs.contract import InputContract

if TYPE_CHECKING:
    from networks import Network
    from onnx import ModelProto

OPSET = 17
IMAGES = {
    "mnist-tiny": "mnist",
    "mnist-cnn": "mnist",
    "resnet56": "cifar10",
    "mobilenetv2": "clothes",
    "efficientnet_lite0": "clothes",
}
MODEL_NAMES = tuple(IMAGES)
LABELS = {
    "mnist": tuple("0123456789"),
    "cifar10": ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    "clothes": (),
}


@dataclass(frozen=True)
class Model:
    """A float network in an ONNX file. ``images`` is the set of ``images.py`` that it is measured on."""

    name: str
    path: Path
    contract: InputContract
    images: str


def open_model(name: str) -> Model:
    """The model called ``name`` (one of MODEL_NAMES), exported if it was not before."""
    import onnx

    path = MODELS / f"{name}.onnx"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, _exported(name).SerializeToString(deterministic=True))
    contract = read_metadata(onnx.load(path), str(path)).contract
    assert contract is not None
    return Model(name, path, contract, IMAGES[name])


def _exported(name: str) -> ModelProto:
    from networks import NETWORKS

    network = NETWORKS[name]
    contract = InputContract(*network.shape, network.mean, network.std)
    return write_metadata(_export(network), Metadata(contract, LABELS[IMAGES[name]]))


def _export(network: Network) -> ModelProto:
    """As users do it: by torch's tracing exporter, with nothing done to the graph afterwards."""
    import onnx
    import torch

    height, width, channels = network.shape
    example = torch.zeros(1, channels, height, width)
    buffer = io.BytesIO()
    names = {"input_names": ["image"], "output_names": ["logits"]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that tracing is the older of torch's two exporters
        torch.onnx.export(network.build().eval(), (example,), buffer, opset_version=OPSET, dynamo=False, **names)
    return onnx.load_from_string(buffer.getvalue())
