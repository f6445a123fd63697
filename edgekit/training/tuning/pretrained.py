"""Networks that know photos or sentences: a backbone that others trained, and a fresh head for one's own classes.

The weights of cards come with packages of others. Those are never imported: the file is found by the package's list of
files, compared with the card's sha256, and read without unpickling code.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit import catalog
from edgekit.catalog import NetworkCard, PackageFile
from edgekit.errors import ModelError, UsageError
from edgekit.inputs.contracts import Contract
from edgekit.inputs.text import TextContract
from edgekit.runtimes.refusal import first_line
from edgekit.training.hubs import HubModel, is_hub_name, open_hub
from edgekit.training.weights import load_weights, read_tensors
from edgekit.zoo import build

if TYPE_CHECKING:
    from torch import Tensor, nn

IMAGENET_CLASSES = 1000
TUNED_AS = {"image": "efficientnet-lite0", "text": "minilm"}
"""The cards whose recipes are those of models of a hub, by what these take."""


def teacher_card(name: str) -> NetworkCard:
    """The card of a teacher of the catalog, or one made up for a model of a hub, at the revision that was found.

    A hub's model is tuned by the recipe of the catalog's efficientnet-lite0, or of minilm where it takes sentences.

    Raises:
        UnknownNameError: the catalog has no such teacher.
        ModelError: the hub has no such model, see ``open_hub``.
    """
    if not is_hub_name(name):
        return catalog.network_card("teachers", name)
    found = open_hub(name)
    tuned_as = catalog.network_card("teachers", TUNED_AS[found.contract.INPUT])
    card = NetworkCard.made_up(found.short_name, found.name, found.contract, tuned_as.recipe("full"))
    return replace(card, recipes=tuned_as.recipes, pretrained=PackageFile(found.name, "", found.sha256))


def pretrained_network(card: NetworkCard, classes: int) -> nn.Module:
    """The card's network with the backbone that others trained and a freshly initialised head, in evaluation mode.

    It has two parts: ``features`` maps real inputs [N, C, H, W], or ids [N, L], to [N, D], and ``head``, a Linear,
    those to logits [N, classes].

    Raises:
        UsageError: the card names no such weights.
        ModelError: their package is not installed, or they are not what the card says, or do not fit the network.
    """
    if is_hub_name(card.architecture.name):
        return with_new_head(open_hub(card.architecture.name), card.contract, classes)
    network = build(card.architecture, card.contract.shape, classes)
    if (published := getattr(network, "published", None)) is not None and card.pretrained is not None:
        load_weights(network.get_submodule("features"), card.pretrained.path(), published)
        return network.eval()
    known = imagenet_network(card)
    known.head = network.head
    return known


def with_new_head(model: HubModel, contract: Contract, classes: int) -> nn.Module:
    """The network of a hub's model, divided as the zoo's are: the linear layer that gives its answer is replaced.

    Raises:
        ModelError: it takes nothing of ``contract``, more than the head lacks weights, or no linear layer gives the
            answer.
    """
    from torch import nn

    from edgekit.zoo.blocks import Network

    network, missing = model.network()
    try:
        found = _answering_layer(network, _example(contract))
    except Exception as exc:  # a network of others raises what it likes
        what = f"{contract.INPUT} of {contract.size}"
        raise ModelError(f"{model.name} fails on an {what} ({first_line(exc)}); use its own size.") from exc
    if found is None:
        raise ModelError(f"{model.name} does not end in one linear layer, so it gets no new head; name another model.")
    name, layer = found
    if lacking := missing - {f"{name}.weight", f"{name}.bias"}:
        raise ModelError(f"{model.name} has no weights for {min(lacking)}, so it knows nothing; name another model.")
    network.set_submodule(name, nn.Identity())
    return Network(features=network, head=nn.Linear(layer.in_features, classes)).eval()


def _example(contract: Contract) -> Tensor:
    """An input that makes a network's layers give different values."""
    import torch

    if isinstance(contract, TextContract):
        return torch.from_numpy(contract.real(contract.blank))
    height, width, channels = contract.shape
    return torch.linspace(-1, 1, height * width * channels).reshape(1, channels, height, width)


def _answering_layer(network: nn.Module, example: Tensor) -> tuple[str, nn.Linear] | None:
    """The linear layer whose output is the network's, and its name before it."""
    import torch
    from torch import nn

    answers: dict[str, Tensor] = {}
    layers = [(name, part) for name, part in network.named_modules() if isinstance(part, nn.Linear)]
    hooks = [
        part.register_forward_hook(lambda _part, _inputs, outputs, name=name: answers.update({name: outputs}))
        for name, part in layers
    ]
    with torch.inference_mode():
        logits = network(example)
    for hook in hooks:
        hook.remove()
    return next(((name, part) for name, part in layers if torch.equal(answers.get(name, example), logits)), None)


def imagenet_network(card: NetworkCard) -> nn.Module:
    """The card's network as it was trained: its head knows the 1,000 classes of ImageNet. Errors as above."""
    if card.pretrained is None:
        raise UsageError(f"{card.name} has no pretrained weights; it is trained from scratch.")
    network = build(card.architecture, card.contract.shape, IMAGENET_CLASSES)
    fill_in_order(network, card.pretrained.path())
    return network.eval()


def fill_in_order(network: nn.Module, path: Path) -> None:
    """Fill ``network`` with the tensors of a file whose layers have other names but the same order.

    Raises:
        ModelError: the file's tensors differ from the network's in number, kind (weight, bias...) or shape.
    """
    wanted, given = network.state_dict(), read_tensors(path)
    pairs = list(zip(wanted.items(), given.items(), strict=False))
    fits = len(wanted) == len(given) and all(
        ours.rpartition(".")[2] == theirs.rpartition(".")[2] and tensor.shape == getattr(value, "shape", None)
        for (ours, tensor), (theirs, value) in pairs
    )
    if not fits:
        raise ModelError(
            f"{path} does not fit the network {type(network).__name__}; take the weights of the card's architecture."
        )
    network.load_state_dict({ours: value for (ours, _), (_, value) in pairs})
