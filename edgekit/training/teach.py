"""``edgekit teach``: train a teacher from its card."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit import catalog
from edgekit.console import print_table, say
from edgekit.data import open_data
from edgekit.errors import DataError
from edgekit.files import require_writable, sha256_file, write_json
from edgekit.recipe import TrainRecipe
from edgekit.training import loop
from edgekit.training.weights import load_weights, save_weights
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


@dataclass(frozen=True)
class TeachOptions:
    """Everything that decides a teacher; ``source`` is the card's data where it is empty.

    ``initial`` are weights to start from in place of random ones, as a recipe of refinement does.
    """

    name: str
    recipe: TrainRecipe
    folder: Path
    source: str = ""
    initial: Path | None = None
    seed: int = 0
    resume: bool = False


def teach(options: TeachOptions) -> TeachResult:
    """Train a teacher on a data source and store weights.safetensors and teach.json in the folder.

    The weights are those after the last epoch (averaged if the recipe has an EMA); the test split is looked at once,
    for the figure.
    """
    import torch

    card = catalog.network_card("teachers", options.name)
    data = open_data(options.source or card.data, card.contract)
    loop.require_labels(data)
    if len(data.classes) != len(card.classes):
        raise DataError(
            f"{data.name} has {len(data.classes)} classes and {card.name} has {len(card.classes)}; use data with the "
            "card's classes, or write a card of your own."
        )
    folder = require_writable(options.folder)
    torch.manual_seed(options.seed)
    model = build(card.architecture, card.contract.shape, len(card.classes))
    origin = {"network": card.architecture}
    if options.initial is not None:
        load_weights(model, options.initial)
        origin["initial"] = sha256_file(options.initial)
    run = loop.TrainRun(options.recipe, options.seed, folder, origin, options.resume)
    model, metrics = loop.train(model, card.contract, data, run)
    weights = save_weights(model, folder / "weights.safetensors")
    accuracy = loop.evaluate(model, card.contract, data.test)
    result = TeachResult(
        name=card.name,
        weights=weights,
        sha256=sha256_file(weights),
        parameters=sum(weight.numel() for weight in model.parameters()),
        validation_accuracy=metrics[-1].validation_accuracy,
        test_accuracy=accuracy,
    )
    record = {"recipe": options.recipe.to_dict(), "seed": options.seed, "data": data.sha256, **origin}
    write_json(folder / "teach.json", {**result.to_dict(), "weights": weights.name, **record})
    return result


def show(result: TeachResult) -> None:
    """Print the result as a table."""
    row = (result.name, f"{result.validation_accuracy:.2%}", f"{result.test_accuracy:.2%}", f"{result.parameters:,}")
    print_table("", ("teacher", "validation", "test", "parameters"), [row])
    say(f"wrote {result.weights}")
