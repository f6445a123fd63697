"""``edgekit teach``: train a teacher from its card."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgekit import catalog
from edgekit.console import Part, Remark, Table
from edgekit.data import Source, open_data
from edgekit.data.reading import Reading
from edgekit.errors import DataError
from edgekit.files import require_writable, sha256_file, write_json
from edgekit.options import ANY_SEED, LARGEST_SEED, SOURCES, Options, argument, group, option
from edgekit.result import Result
from edgekit.training.recipe_options import RecipeOptions
from edgekit.training.student import is_unset
from edgekit.training.weights import load_weights, save_weights
from edgekit.zoo import build


@dataclass(frozen=True)
class TeachResult(Result):
    """A trained teacher: its weights file and its accuracies in [0, 1]."""

    name: str
    weights: Path
    sha256: str
    parameters: int
    validation_accuracy: float
    test_accuracy: float

    def parts(self) -> Iterator[Part]:
        """The accuracies, and where the weights are."""
        row = (self.name, f"{self.validation_accuracy:.2%}", f"{self.test_accuracy:.2%}", f"{self.parameters:,}")
        yield Table("", ("teacher", "validation", "test", "parameters"), [row])
        yield Remark(f"wrote {self.weights}")


@dataclass(frozen=True)
class TeachOptions(Options):
    """Everything that decides a teacher."""

    name: str = argument("A teacher of the catalog.", "mnist-cnn", metavar="NAME")
    data: Source = option(SOURCES, "", metavar="SRC", unset="the card's")
    out: Path | None = option("Folder for the results.", None, metavar="DIR", unset="runs/NAME")
    reading: Reading = group(Reading)
    recipe: RecipeOptions = group(RecipeOptions)
    init: Path | None = option("Weights to start from, as the recipe 'refine' does.", None, metavar="FILE")
    seed: int | None = option(ANY_SEED, None, unset="the card's", least=0, most=LARGEST_SEED)
    resume: bool = option("Go on from the last checkpoint in --out.", False)


def teach(options: TeachOptions) -> TeachResult:
    """Train a teacher on a data source and store weights.safetensors and teach.json in the folder.

    The weights are those after the last epoch (averaged if the recipe has an EMA); the test split is looked at once,
    for the figure.
    """
    import torch

    from edgekit.training import loop

    card = catalog.network_card("teachers", options.name)
    recipe, seed = options.recipe.of(card), card.seed if options.seed is None else options.seed
    data = open_data(card.data if is_unset(options.data) else options.data, card.contract, options.reading)
    loop.require_labels(data)
    if len(data.classes) != len(card.classes):
        raise DataError(
            f"{data.name} has {len(data.classes)} classes and {card.name} has {len(card.classes)}; use data with the "
            "card's classes, or write a card of your own."
        )
    folder = require_writable(options.out or Path("runs") / card.name)
    torch.manual_seed(seed)
    model = build(card.architecture, card.contract.shape, len(card.classes))
    origin = {"network": str(card.architecture)}
    if options.init is not None:
        load_weights(model, options.init)
        origin["initial"] = sha256_file(options.init)
    run = loop.TrainRun(recipe, seed, folder, origin, options.resume, options.recipe.own_loss)
    model, metrics = loop.train(model, card.contract, data, run)
    weights = save_weights(model, folder / "weights.safetensors")
    accuracy = loop.evaluate(model, card.contract, data.test)
    result = TeachResult(
        name=card.name,
        weights=weights,
        sha256=sha256_file(weights),
        parameters=sum(weight.numel() for weight in model.parameters()),
        validation_accuracy=loop.kept_epoch(recipe, metrics).validation_accuracy,
        test_accuracy=accuracy,
    )
    record = {"recipe": recipe.to_dict(), "seed": seed, "data": data.sha256, **origin}
    write_json(folder / "teach.json", {**result.to_dict(), "weights": weights.name, **record})
    return result
