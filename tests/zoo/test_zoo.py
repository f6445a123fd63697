from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from edgekit.errors import UnknownNameError
from edgekit.inputs.contract import InputContract
from edgekit.zoo import architectures, build
from edgekit.zoo.blocks import conv


@pytest.mark.parametrize("architecture", architectures())
def test_every_architecture_gives_one_logit_per_class(architecture: str) -> None:
    contract = InputContract(28, 28, 1) if architecture.startswith("mnist") else InputContract(32, 32, 3)
    network = build(architecture, contract.shape, 7).eval()
    assert network(torch.zeros(2, contract.channels, contract.height, contract.width)).shape == (2, 7)


@pytest.mark.parametrize(
    ("architecture", "parameters"), [("mnist_classic", 225_034), ("mnist_linear", 7_850), ("mnist_cnn", 206_130)]
)
def test_parameter_counts(architecture: str, parameters: int) -> None:
    network = build(architecture, (28, 28, 1), 10)
    assert sum(weight.numel() for weight in network.parameters()) == parameters


def test_an_unknown_architecture_gets_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'resnet8'"):
        build("resnet_8", (1, 1, 1), 2)


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (5, 1), (4, 2), (6, 2), (3, 2), (5, 2)])
def test_padding_is_tensorflows_same(kernel: int, stride: int) -> None:
    """TensorFlow pads max(0, (ceil(n / s) - 1) s + k - n) in all, the odd pixel at the end."""
    size = 28
    layer = conv(1, 1, kernel, stride)
    weights = next(part for part in layer if isinstance(part, nn.Conv2d)).weight
    total = (-(-size // stride) - 1) * stride + kernel - size
    image = torch.randn(1, 1, size, size, generator=torch.Generator().manual_seed(0))
    padded = F.pad(image, (total // 2, total - total // 2) * 2)
    torch.testing.assert_close(layer(image), F.conv2d(padded, weights, stride=stride))
