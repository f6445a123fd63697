"""The float networks of the benchmarks in PyTorch, with their trained weights and what their inputs are.

litert-torch converts them in an environment of its own, where EdgeKit is not installed: of EdgeKit, only the zoo and
the catalog are used, which need torch, NumPy and Pillow.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
from places import PRETRAINED, ROOT, SHARED
from torch import Tensor, nn
from torch.nn import functional

sys.path += [str(ROOT), str(PRETRAINED)]  # EdgeKit, and where its cards' packages of weights are looked for
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class ShortcutBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut without parameters: every second pixel, new channels zero."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.stride, self.widen = stride, (outputs - inputs) // 2

    def forward(self, inputs: Tensor) -> Tensor:
        """[N, inputs, H, W] to [N, outputs, H / stride, W / stride]."""
        residual = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(inputs)))))
        shortcut = inputs
        if self.widen:
            kept = inputs[:, :, :: self.stride, :: self.stride]
            shortcut = functional.pad(kept, (0, 0, 0, 0, self.widen, self.widen))
        return functional.relu(residual + shortcut)


class ResNet56(nn.Module):
    """The CIFAR-10 network of He et al. 2016, section 4.2, with n = 9 and shortcuts of kind A."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = self._stage(16, 16, 1)
        self.layer2 = self._stage(16, 32, 2)
        self.layer3 = self._stage(32, 64, 2)
        self.linear = nn.Linear(64, 10)

    @staticmethod
    def _stage(inputs: int, outputs: int, stride: int) -> nn.Sequential:
        rest = (ShortcutBlock(outputs, outputs, 1) for _ in range(8))
        return nn.Sequential(ShortcutBlock(inputs, outputs, stride), *rest)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits [N, 10] of normalised images [N, 3, 32, 32]."""
        features = functional.relu(self.bn1(self.conv1(inputs)))
        features = self.layer3(self.layer2(self.layer1(features)))
        logits: Tensor = self.linear(features.mean((2, 3)))
        return logits


def _resnet56() -> nn.Module:
    network = ResNet56()
    state = torch.load(SHARED / "models" / "akamaster_cifar10_resnet56.th", map_location="cpu", weights_only=True)[
        "state_dict"
    ]
    network.load_state_dict({name.removeprefix("module."): value for name, value in state.items()}, strict=False)
    return network


def _imagenet(teacher: str) -> nn.Module:
    from edgekit.catalog import network_card
    from edgekit.inputs.contract import InputContract
    from edgekit.training.tuning.pretrained import imagenet_network

    return imagenet_network(replace(network_card("teachers", teacher), contract=InputContract(*PHOTO)))


def _mnist_tiny() -> nn.Module:
    """The shipped student, from its ONNX file: the folded weights, and batch normalisations that only add."""
    import onnx

    network = _zoo_network("mnist_tiny")
    graph = onnx.load(ROOT / "students" / "mnist-tiny" / "model.onnx").graph
    arrays = {item.name: torch.from_numpy(onnx.numpy_helper.to_array(item).copy()) for item in graph.initializer}
    folded = [[arrays[name] for name in node.input[1:]] for node in graph.node if node.op_type in ("Conv", "Gemm")]
    parts = list(network.modules())
    norms = [part for part in parts if isinstance(part, nn.BatchNorm2d)]
    convs = [part for part in parts if isinstance(part, nn.Conv2d)]
    with torch.no_grad():
        for conv, norm, (weight, bias) in zip(convs, norms, folded[:-1], strict=True):
            conv.weight.copy_(weight)
            norm.bias.copy_(bias)
            norm.running_var.fill_(1 - norm.eps)
        network.head.weight.copy_(folded[-1][0])
        network.head.bias.copy_(folded[-1][1])
    return network


def _mnist_cnn() -> nn.Module:
    from safetensors.torch import load_file

    network = _zoo_network("mnist_cnn")
    network.load_state_dict(load_file(ROOT / "teachers" / "mnist-cnn" / "weights.safetensors"))
    return network


def _zoo_network(architecture: str) -> nn.Module:
    from edgekit.zoo import build

    return build(architecture, (28, 28, 1), classes=10)


@dataclass(frozen=True)
class Network:
    """A trained network: its real input is ``(pixel / 255 - mean) / std`` of images ``shape`` (H, W, C)."""

    build: Callable[[], nn.Module]
    shape: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]


CIFAR10, PHOTO, DIGIT = (32, 32, 3), (224, 224, 3), (28, 28, 1)
NETWORKS = {
    "mnist-tiny": Network(_mnist_tiny, DIGIT, (0.0,), (1.0,)),
    "mnist-cnn": Network(_mnist_cnn, DIGIT, (0.0,), (1.0,)),
    "resnet56": Network(_resnet56, CIFAR10, IMAGENET_MEAN, IMAGENET_STD),
    "mobilenetv2": Network(partial(_imagenet, "mobilenet-v2"), PHOTO, IMAGENET_MEAN, IMAGENET_STD),
    "efficientnet_lite0": Network(partial(_imagenet, "efficientnet-lite0"), PHOTO, (127 / 255,) * 3, (128 / 255,) * 3),
}
