"""The size of an int8 file is known before anything is calibrated."""

from __future__ import annotations

import pytest
import torch
from small_graphs import quantized

from edgekit.artifact import Metadata
from edgekit.conversion.tflite import lower
from edgekit.conversion.tflite.int8_size import int8_size
from edgekit.conversion.torch_onnx import to_onnx
from edgekit.inputs.contract import InputContract
from edgekit.zoo import build


@pytest.mark.parametrize("architecture", ["mnist_classic_half", "mnist_tiny", "resnet8"])
def test_the_predicted_size_is_that_of_the_file(architecture: str) -> None:
    torch.manual_seed(0)
    contract = InputContract(28, 28, 1) if "mnist" in architecture else InputContract(32, 32, 3)
    metadata = Metadata(contract, tuple("abcdefghij"))
    model = to_onnx(build(architecture, contract.shape, 10), contract, metadata)
    assert int8_size(model, metadata) == pytest.approx(len(lower(quantized(model), metadata)), rel=0.01)
