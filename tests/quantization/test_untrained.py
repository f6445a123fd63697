"""The size of an int8 file is known before the network is trained."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from random_images import CONTRACT, random_split
from torch import nn

from edgekit.artifact import Metadata
from edgekit.catalog import Architecture, network_card
from edgekit.conversion.torch_onnx import to_onnx
from edgekit.data.dataset import Dataset
from edgekit.files import write_bytes
from edgekit.operators.weight_scheme import WeightScheme
from edgekit.quantization.options import QuantizeOptions
from edgekit.quantization.quantize import quantize
from edgekit.quantization.untrained import untrained_int8
from edgekit.zoo import build

ARCHITECTURES = (
    Architecture("staged", {"blocks": ["residual"] * 3, "widths": [8, 12, 12], "depths": [2, 1, 2]}),
    Architecture(
        "staged",
        {
            "blocks": ["residual", "inverted", "inverted"],
            "activation": "hard_swish",
            "widths": [8, 8, 12],
            "depths": [1, 2, 2],
            "kernel": 5,
            "top": 24,
        },
    ),
)


def trained(network: nn.Module) -> nn.Module:
    """What training leaves behind, as far as a size may depend on it: no two values are alike."""
    for values in (*network.parameters(), *network.buffers()):
        if values.is_floating_point():
            values.data += 0.1 * torch.rand_like(values)
    return network.eval()


@pytest.mark.parametrize(
    "scheme", [WeightScheme(*one) for one in ((False, 8), (True, 8), (False, 4), (True, 3))], ids=str
)
@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=str)
def test_a_trained_network_has_the_bytes_that_were_foretold(
    architecture: Architecture, scheme: WeightScheme, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    network, classes = build(architecture, CONTRACT.shape, 5), tuple("abcde")
    foretold = len(untrained_int8(network, CONTRACT, classes, scheme))
    data = Dataset("spots", classes, *(random_split(24, 5, seed) for seed in range(3)), "0")
    model = to_onnx(trained(network), CONTRACT, Metadata(CONTRACT, classes))
    write_bytes(tmp_path / "model.onnx", model.SerializeToString())
    made = quantize(QuantizeOptions(str(tmp_path), data, tmp_path, int8=True, rungs=1, weights=scheme))
    least = (
        0.98 if scheme.weight_bits == 8 else 0.95
    )  # coarse grids round biases of a network so small to zero, all alike
    assert least * foretold < made.tflite.file_bytes <= foretold


class Unbiased(nn.Sequential):
    """The pool is between a convolution and what would be its bias."""

    def __init__(self) -> None:
        block = [nn.Conv2d(3, 12, 3, bias=False), nn.MaxPool2d(2), nn.BatchNorm2d(12), nn.ReLU()]
        super().__init__(*block, nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(12, 5))


def test_a_bias_that_the_quantizer_adds_was_foretold(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network, classes = Unbiased(), tuple("abcde")
    foretold = len(untrained_int8(network, CONTRACT, classes))
    data = Dataset("spots", classes, *(random_split(24, 5, seed) for seed in range(3)), "0")
    model = to_onnx(trained(network), CONTRACT, Metadata(CONTRACT, classes))
    write_bytes(tmp_path / "model.onnx", model.SerializeToString())
    made = quantize(QuantizeOptions(str(tmp_path), data, tmp_path, int8=True, rungs=3))
    assert 0.98 * foretold < made.tflite.file_bytes <= foretold


@pytest.mark.parametrize(("student", "most"), [("photo-s", 100_000), ("photo-m", 300_000), ("photo-l", 1_000_000)])
def test_students_of_photos_have_the_size_that_their_cards_say(student: str, most: int) -> None:
    card, classes = network_card("students", student), tuple(f"class {number}" for number in range(20))
    network = build(card.architecture, card.contract.shape, len(classes))
    assert 0.97 * most < len(untrained_int8(network, card.contract, classes)) <= most
