"""``edgekit teach``: train a teacher from its card."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit import catalog
from edgekit.console import say
from edgekit.data import open_data
from edgekit.distill import loop
from edgekit.distill.weights import save_weights
from edgekit.errors import DataError
from edgekit.files import require_writable, sha256_file, write_json
from edgekit.recipe import TrainRecipe
from edgekit.zoo import build


@dataclass(frozen=True)
class TeachResult:
    """A trained teacher: its weights file and its accuracies in [0, 1]."""

    name: str
    weights: Path
    sha256: str
    parameters: int
    validation_accuracy: float
    test_accuracy: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {**self.__dict__, "weights": str(self.weights)}


def teach(name: str, source: str | None, recipe: TrainRecipe, seed: int, folder: Path, resume: bool) -> TeachResult:
    """Train the teacher ``name`` on a data source and store weights.safetensors and teach.json in ``folder``.

    The weights are those after the last epoch (averaged if the recipe has an EMA); the test split is looked at once,
    for the figure.
    """
    import torch

    card = catalog.network_card("teachers", name)
    data = open_data(source or card.data, card.contract.shape)
    if len(data.classes) != len(card.classes):
        raise DataError(
            f"{data.name} has {len(data.classes)} classes and {name} has {len(card.classes)}; use data with the "
            "card's classes, or write a card of your own."
        )
    require_writable(folder)
    torch.manual_seed(seed)
    model = build(card.architecture, card.contract, len(card.classes))
    model, metrics = loop.train(model, card.contract, data, recipe, seed, folder, resume=resume)
    weights = save_weights(model, folder / "weights.safetensors")
    accuracy = loop.evaluate(model, card.contract, data.test)
    say(f"{name}: test accuracy {accuracy:.2%}, weights in {weights}")
    result = TeachResult(
        name=name,
        weights=weights,
        sha256=sha256_file(weights),
        parameters=sum(weight.numel() for weight in model.parameters()),
        validation_accuracy=metrics[-1].validation_accuracy,
        test_accuracy=accuracy,
    )
    write_json(
        folder / "teach.json",
        {**result.to_dict(), "weights": weights.name, "recipe": recipe.to_dict(), "seed": seed, "data": data.sha256},
    )
    return result
