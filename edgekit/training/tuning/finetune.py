"""Fine-tuning of a network that knows photos or sentences: what of it is trained, and how fast.

The head comes first, in seconds, on features that the frozen backbone has once and for all. ``head`` ends there.
``lora`` goes on with small matrices beside the frozen filters (Hu et al. 2022), which are merged into them in the end;
``full`` trains all weights, each layer more slowly than the one above it. Normalisation keeps the statistics of the
many photos that the network has seen before, since a batch of few would spoil them. Validation decides: where training
on is no gain, the head alone is kept.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor, nn

from edgekit.console import say
from edgekit.data.balance import class_weights, is_even
from edgekit.data.dataset import Dataset, Labels
from edgekit.inputs.contracts import Contract
from edgekit.training import loop
from edgekit.training.tuning.features import FeatureCache
from edgekit.training.tuning.head import Head, find_head

if TYPE_CHECKING:
    from peft import PeftModel

MEANINGS = {"head": "the head alone", "lora": "the head and a little beside each filter", "full": "every weight"}
LORA_FROM, FULL_FROM = 100, 1000
"""Training photos, from which on more than the head is trained, and all weights."""
LORA_RANK = 16


def tune_for(photos: int) -> str:
    """What is trained where nobody says it: the more photos, the more weights they can tell."""
    return "head" if photos < LORA_FROM else "lora" if photos < FULL_FROM else "full"


def fine_tune(
    network: nn.Module, contract: Contract, data: Dataset, tune: str, run: loop.TrainRun
) -> tuple[nn.Module, float, list[loop.EpochMetrics]]:
    """Train a network of two parts, ``features`` and a Linear ``head``, on new classes.

    Args:
        network: its features are those of photos, its head is fresh.
        contract: how uint8 images become its input.
        data: the new classes; its training split is learned, its validation split decides.
        tune: one of MEANINGS.
        run: how it is trained after the head is found.

    Returns:
        The network in evaluation mode, its validation accuracy, and a record for each epoch.
    """
    head = _head(network, contract, data)
    head.fill(network.head)  # type: ignore[arg-type]
    say(f"head found: validation {head.validation_accuracy:.2%}, L2 strength {head.strength:g}")
    if tune == "head":
        return network.eval(), head.validation_accuracy, []
    start = {name: value.clone() for name, value in network.state_dict().items()}
    adapted = _with_lora(network) if tune == "lora" else network
    model = _FrozenStatistics(adapted)
    run = replace(run, paces={} if tune == "lora" else paces(model, network, run.recipe.layer_decay))
    trained, metrics = loop.train(model, contract, data, run)
    assert isinstance(trained, _FrozenStatistics)
    network = trained.network.merge_and_unload() if tune == "lora" else trained.network  # type: ignore[operator]
    accuracy = loop.kept_epoch(run.recipe, metrics).validation_accuracy
    if accuracy < head.validation_accuracy:
        say(f"no epoch is better than the head alone ({accuracy:.2%}), which is kept")
        network.load_state_dict(start)
        accuracy = head.validation_accuracy
    return network.eval(), accuracy, metrics


def _head(network: nn.Module, contract: Contract, data: Dataset) -> Head:
    """The head that fits the training rows, and the mirror images of pictures."""
    features = FeatureCache(_features(network), contract, data.sha256)
    labels, classes = _labels(data.train.labels), len(data.classes)
    ways = (False, True) if data.train.holds_pictures else (False,)
    seen = np.concatenate([features("train", data.train.images, mirrored) for mirrored in ways])
    weights = np.ones(classes, np.float32) if is_even(labels) else class_weights(labels, classes)
    known = (features("validation", data.validation.images), _labels(data.validation.labels))
    return find_head((seen, np.tile(labels, len(ways))), known, weights)


def _labels(labels: Labels | None) -> Labels:
    assert labels is not None
    return labels


class _FrozenStatistics(nn.Module):
    """A network whose normalisation stays as in evaluation while it is trained; scales and offsets are learned."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor) -> Tensor:
        """As the network."""
        result: Tensor = self.network(inputs)
        return result

    def train(self, mode: bool = True) -> _FrozenStatistics:
        """Everything but normalisation is put into training mode."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self


def paces(model: nn.Module, network: nn.Module, decay: float) -> dict[str, float]:
    """For each parameter of ``network``, as ``model`` names it: its share of the head's learning rate.

    Each layer of ``features`` learns at ``decay`` times the rate of the next one.
    """
    layers = _layers(_features(network))
    depths = {weight: depth for depth, layer in enumerate(reversed(layers), 1) for weight in layer.parameters()}
    return {name: decay ** depths.get(weight, 0) for name, weight in model.named_parameters()}


def _layers(module: nn.Module) -> list[nn.Module]:
    """The children of a network that have parameters, in order, and the blocks of what is a list of such."""
    parts = _weighted(_within(module))
    return [layer for part in parts for layer in (_weighted(_within(part)) if _is_list(_within(part)) else [part])]


def _within(module: nn.Module) -> nn.Module:
    """What a module, and perhaps others in it, does nothing but hold."""
    while len(parts := _weighted(module)) == 1 and not _is_list(module):
        (module,) = parts
    return module


def _is_list(module: nn.Module) -> bool:
    """Whether it holds blocks of one kind: ViT's, for instance, in a ModuleList or, as timm has them, a Sequential."""
    kinds = {type(part) for part in module.children()}
    is_of_blocks = len(kinds) == 1 and kinds != {nn.Sequential} and all(_weighted(part) for part in module.children())
    return isinstance(module, nn.ModuleList | nn.Sequential) and is_of_blocks


def _weighted(module: nn.Module) -> list[nn.Module]:
    """Its children that have parameters."""
    return [child for child in module.children() if any(True for _ in child.parameters())]


def _with_lora(network: nn.Module) -> PeftModel:
    """The network with LoRA beside every convolution and linear layer that mixes channels; its head learns as it is."""
    from peft import LoraConfig, get_peft_model

    mixing = [
        f"features.{name}"
        for name, layer in _features(network).named_modules()
        if isinstance(layer, nn.Linear) or (isinstance(layer, nn.Conv2d) and layer.groups == 1)
    ]
    config = LoraConfig(r=LORA_RANK, lora_alpha=2 * LORA_RANK, target_modules=mixing, modules_to_save=["head"])
    return get_peft_model(network, config)


def _features(network: nn.Module) -> nn.Module:
    found = network.features
    assert isinstance(found, nn.Module)
    return found
