from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from edgekit.catalog import Architecture
from edgekit.errors import UnknownNameError, UsageError
from edgekit.inputs.contract import InputContract
from edgekit.zoo import architectures, build
from edgekit.zoo.blocks import conv

OF_TEXT = ("bert", "ngram_bag", "ngram_conv")


@pytest.mark.parametrize("architecture", OF_TEXT)
def test_every_architecture_of_text_gives_one_logit_per_class(architecture: str) -> None:
    ids = torch.tensor([[5, 6, 7, 0], [0, 0, 0, 0]], dtype=torch.int32)
    logits = build(architecture, (4, 1, 50), 7).eval()(ids)
    assert logits.shape == (2, 7)
    assert logits.isfinite().all()


@pytest.mark.parametrize("architecture", [name for name in architectures() if name not in OF_TEXT])
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


@pytest.mark.parametrize("size", [28, 15])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (5, 1), (4, 2), (6, 2), (3, 2), (5, 2), (1, 2)])
def test_padding_is_tensorflows_same(kernel: int, stride: int, size: int) -> None:
    """TensorFlow pads max(0, (ceil(n / s) - 1) s + k - n) in all, the odd pixel at the end."""
    layer = conv(1, 1, kernel, stride, size=(size, size))
    weights = next(part for part in layer if isinstance(part, nn.Conv2d)).weight
    total = max(0, (-(-size // stride) - 1) * stride + kernel - size)
    image = torch.randn(1, 1, size, size, generator=torch.Generator().manual_seed(0))
    padded = F.pad(image, (total // 2, total - total // 2) * 2)
    torch.testing.assert_close(layer(image), F.conv2d(padded, weights, stride=stride))


@pytest.mark.parametrize(
    ("blocks", "activation", "found"),
    [
        (["inverted", "inverted"], "relu", {nn.ReLU, nn.ReLU6}),
        (["residual", "residual"], "relu", {nn.ReLU}),
        (["residual", "inverted"], "hard_swish", {nn.Hardswish}),
        (["residual", "residual"], "silu", {nn.SiLU}),
    ],
)
def test_a_staged_network_is_as_its_card_says(blocks: list[str], activation: str, found: set[type[nn.Module]]) -> None:
    stages = {"widths": [8, 12], "depths": [1, 2], "strides": [2, 2], "blocks": blocks}
    arguments = {**stages, "activation": activation, "stem_stride": 2, "top": 20}
    network = build(Architecture("staged", arguments), (64, 64, 3), 5).eval()
    assert {type(part) for part in network.modules()} & {nn.ReLU, nn.ReLU6, nn.Hardswish, nn.SiLU} == found
    seen: list[torch.Size] = []
    for layer in network.features[:-2]:
        layer.register_forward_hook(lambda _layer, _inputs, outputs: seen.append(outputs.shape[1:]))
    assert network(torch.zeros(1, 3, 64, 64)).shape == (1, 5)
    assert seen[-5:] == [(16, 32, 32), (8, 16, 16), (12, 8, 8), (12, 8, 8), (20, 8, 8)]


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("staged", {"width": (8,)}, "did you mean 'widths'"),
        ("staged", {"blocks": ["inverse", "residual", "residual"]}, "did you mean 'inverted'"),
        ("staged", {"activation": "swish"}, "did you mean 'hard_swish'"),
        ("staged", {"widths": (8,)}, "widths, depths, strides and blocks must have one entry for each stage"),
        ("mnist_tiny", {"widths": [16]}, "widths, kernels and strides must have one entry for the first convolution"),
        ("mnist_tiny", {"blocks": []}, "and each of the blocks"),
    ],
)
def test_a_card_with_wrong_arguments_is_told_so(name: str, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build(Architecture(name, arguments), (32, 32, 3), 2)


def test_blocks_of_the_mnist_student_may_be_of_another_kind_or_left_out() -> None:
    arguments = {"widths": [4, 8, 12, 16], "kernels": [3, 3, 5, 3], "blocks": ["plain", "none", "separable"]}
    network = build(Architecture("mnist_tiny", arguments), (28, 28, 1), 10).eval()
    kernels = [layer.weight.shape for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    assert kernels == [(4, 1, 4, 4), (8, 4, 3, 3), (8, 1, 3, 3), (16, 8, 1, 1)]
    assert network(torch.zeros(1, 1, 28, 28)).shape == (1, 10)
    with pytest.raises(UnknownNameError, match="did you mean 'plain'"):
        build(Architecture("mnist_tiny", {"blocks": ["plane", "none", "none"]}), (28, 28, 1), 10)


def test_where_the_mnist_student_halves_its_picture_kernels_are_even() -> None:
    network = build(Architecture("mnist_tiny", {"strides": [1, 2, 2, 1]}), (28, 28, 1), 10).eval()
    kernels = [layer.kernel_size[0] for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    assert kernels == [5, 6, 1, 4, 1, 5, 1]
    features = network.get_submodule("features")[:-2](torch.zeros(1, 1, 28, 28))
    assert features.shape == (1, 32, 7, 7)


def test_the_cifar_teacher_answers_a_mirror_image_alike() -> None:
    network = build("cifar_cnn", (32, 32, 3), 10).eval()
    image = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(network(image), network(image.flip(3)))


@pytest.mark.parametrize("architecture", ["efficientnet_lite", "mobilenet_v2"])
def test_networks_for_photos_are_divided_into_features_and_a_linear_head(architecture: str) -> None:
    network = build(architecture, (32, 32, 3), 7).eval()
    assert isinstance(network.head, nn.Linear)
    images = torch.rand(2, 3, 32, 32)
    features = network.get_submodule("features")(images)
    assert features.shape == (2, 1280)
    torch.testing.assert_close(network.head(features), network(images))
