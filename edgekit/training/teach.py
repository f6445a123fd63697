"""``edgekit teach``: train a teacher from its card, or fine-tune one that knows photos or sentences on one's own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.artifact import Metadata, TensorSpec
from edgekit.catalog import TEACH, WEIGHTS, NetworkCard, run_folder
from edgekit.console import Part, Remark, Table, say
from edgekit.data import Source, open_data
from edgekit.data.balance import class_weights, is_even
from edgekit.data.dataset import Dataset, Images
from edgekit.data.intake import require_pictures
from edgekit.data.reading import Reading
from edgekit.errors import DataError, UsageError
from edgekit.files import sha256_file, write_json
from edgekit.options import ANY_SEED, LARGEST_SEED, SOURCES, Options, argument, group, option
from edgekit.recipe import TrainRecipe
from edgekit.result import Result
from edgekit.tasks.classification import TASK, Classified, macro_f1
from edgekit.training.recipe_options import RecipeOptions
from edgekit.training.runs import store_model
from edgekit.training.student import data_of
from edgekit.training.tuning.pretrained import pretrained_network, teacher_card
from edgekit.training.weights import load_weights
from edgekit.zoo import build

if TYPE_CHECKING:
    from torch import nn

    from edgekit.training.loop import EpochMetrics, TrainRun
    from edgekit.training.losses import Loss


@dataclass(frozen=True)
class TeachResult(Result):
    """A trained teacher: its files and how good it is. Shares are in [0, 1].

    ``tune`` says what was fine-tuned, empty for a network trained from scratch; ``test`` is what the network did on the
    test rows, of a ``kind`` as images, with a confusion matrix, and ``shown`` are the rows behind its mistakes, in
    order: images uint8 [H, W, C], or texts.
    """

    name: str
    tune: str
    data: str
    kind: str
    photos: int
    model: Path
    weights: Path
    sha256: str
    parameters: int
    validation_accuracy: float
    test_accuracy: float
    test_f1: float
    test: Classified
    epochs: tuple[EpochMetrics, ...]
    shown: tuple[Images | str, ...]

    def parts(self) -> Iterator[Part]:
        """The figures, and what to type next."""
        shares = (f"{value:.2%}" for value in (self.validation_accuracy, self.test_accuracy, self.test_f1))
        columns = ("teacher", "validation", "test", "F1 (macro)", "parameters")
        yield Table("", columns, [(self.name, *shares, f"{self.parameters:,}")])
        yield Remark(f"wrote {self.model} and {self.weights.name}; a teacher for --teacher {self.model.parent}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; the epochs are in metrics.jsonl."""
        hidden = replace(self, epochs=(), shown=())
        return {name: value for name, value in Result.to_dict(hidden).items() if name not in ("epochs", "shown")}


@dataclass(frozen=True)
class TeachOptions(Options):
    """Everything that decides a teacher."""

    name: str = argument("A teacher of the catalog, hf:ORG/NAME or timm:NAME.", "mnist-cnn", metavar="NAME")
    data: Source = option(SOURCES, "", metavar="SRC", unset="the card's")
    tune: str | None = option(
        "What of a pretrained teacher is trained: head, lora or full.",
        None,
        choices=("head", "lora", "full"),
        unset="by the size of the data",
    )
    size: int | None = option(
        "Side of a pretrained teacher's images, in pixels; a smaller one is faster.",
        None,
        least=32,
        most=1024,
        unset="the card's",
    )
    out: Path | None = option("Folder for the results.", None, metavar="DIR", unset="runs/NAME")
    reading: Reading = group(Reading)
    recipe: RecipeOptions = group(RecipeOptions)
    init: Path | None = option("Weights to start from, as the recipe 'refine' does.", None, metavar="FILE")
    seed: int | None = option(ANY_SEED, None, unset="the card's", least=0, most=LARGEST_SEED)
    resume: bool = option("Go on from the last checkpoint in --out.", False)


def teach(options: TeachOptions) -> TeachResult:
    """Train a teacher on a data source; store model.onnx, weights.safetensors and teach.json in the folder.

    The folder is then what ``quantize``, ``profile`` and ``deploy`` take, and a ``--teacher`` of ``distill``. The test
    split is looked at once, for the figures. Two runs with the same options end with the same files, also if one was
    killed and resumed.

    Raises:
        UsageError: there is no data, or an option does not concern this teacher.
        DataError: the data have no labels, or other classes than the card.
        UnknownNameError: the catalog has no such teacher.
        ModelError: pretrained weights are not there, or do not fit the network.
        TrainingError: training diverged.
    """
    import torch

    from edgekit.training import loop

    card = _card(options)
    source = data_of(f"teacher {card.name}", card.data, options.data)
    data = open_data(source, card.contract, options.reading)
    loop.require_labels(data)
    if card.classes and len(data.classes) != len(card.classes):
        raise DataError(
            f"{data.name} has {len(data.classes)} classes and {card.name} has {len(card.classes)}; use data with the "
            "card's classes, or write a card of your own."
        )
    folder = run_folder(options.out, card.name)
    seed = card.seed if options.seed is None else options.seed
    torch.manual_seed(seed)
    tune = _tune(options, card, data)
    network, origin = _network(options, card, len(data.classes))
    recipe = _recipe(options, card, tune).of(card, len(data.train))
    run = loop.TrainRun(recipe, seed, folder, {**origin, "tune": tune}, options.resume, _loss(options, data))
    if tune:
        from edgekit.training.tuning.finetune import fine_tune

        network, accuracy, metrics = fine_tune(network, card.contract, data, tune, run)
    else:
        network, metrics = loop.train(network, card.contract, data, run)
        accuracy = loop.kept_epoch(recipe, metrics).validation_accuracy
    return _finished(network, card, data, run, accuracy, tuple(metrics))


def _card(options: TeachOptions) -> NetworkCard:
    """The teacher's card, with the size that the user wants."""
    card = teacher_card(options.name)
    if card.pretrained is None and (options.tune or options.size):
        wrong = "--tune" if options.tune else "--size"
        raise UsageError(f"{card.name} is trained from scratch, at one size; leave out {wrong}.")
    if options.size is None:
        return card
    contract = require_pictures(card.contract, card.name)
    return replace(card, contract=replace(contract, height=options.size, width=options.size))


def _tune(options: TeachOptions, card: NetworkCard, data: Dataset) -> str:
    """What is trained of a pretrained network, said aloud where nobody has said it; empty for one from scratch."""
    if card.pretrained is None:
        return ""
    from edgekit.training.tuning.finetune import MEANINGS, tune_for

    tune = options.tune or tune_for(len(data.train))
    how = "" if options.tune else f", since there are {len(data.train):,} training {data.kind}"
    say(f"--tune {tune}{how}: {MEANINGS[tune]} of {card.name} learns")
    if tune == "head" and options.recipe != RecipeOptions():
        raise UsageError(
            "A head is found at once, without epochs and rates; leave out --recipe, --epochs, --batch-size, "
            "--learning-rate and --loss, or say --tune full."
        )
    return tune


def _recipe(options: TeachOptions, card: NetworkCard, tune: str) -> RecipeOptions:
    """The user's; where nobody named a recipe, the card's may be called as what is trained."""
    is_named = options.recipe.recipe != "full" or tune not in card.recipes
    return options.recipe if is_named else replace(options.recipe, recipe=tune)


def _network(options: TeachOptions, card: NetworkCard, classes: int) -> tuple[nn.Module, dict[str, str]]:
    """What is trained, and what it comes from."""
    origin = {"network": str(card.architecture), "size": "x".join(map(str, card.contract.shape))}
    if card.pretrained is None:
        network = build(card.architecture, card.contract.shape, classes)
    else:
        network, origin["initial"] = pretrained_network(card, classes), card.pretrained.sha256
    if options.init is not None:
        load_weights(network, options.init)
        origin["initial"] = sha256_file(options.init)
    return network, origin


def _loss(options: TeachOptions, data: Dataset) -> Loss | None:
    """The user's own, or one that weighs classes of very different size, said aloud; None for the recipe's."""
    labels, classes = data.train.labels, len(data.classes)
    if options.recipe.own_loss is not None or labels is None or is_even(labels):
        return options.recipe.own_loss
    import torch
    from torch import Tensor

    from edgekit.training.losses import cross_entropy

    say("classes are weighed, so that each counts alike however many photos it has")
    weights = torch.from_numpy(class_weights(labels, classes))

    def weighed(logits: Tensor, labels: Tensor, answers: Tensor | None, recipe: TrainRecipe) -> Tensor:
        return cross_entropy.loss(logits, weights * cross_entropy.shares(labels, classes), None, recipe)

    return weighed


def _finished(
    network: nn.Module,
    card: NetworkCard,
    data: Dataset,
    run: TrainRun,
    accuracy: float,
    metrics: tuple[EpochMetrics, ...],
) -> TeachResult:
    """Look at the test split, and write the files."""
    from edgekit.training.loop import logits_of

    assert data.test.labels is not None
    logits = logits_of(network, card.contract, data.test)
    test = TASK.figures(logits, data.test.labels, data.classes, TensorSpec("logits", logits.shape, "float32"))
    metadata = Metadata(
        contract=card.contract,
        labels=data.classes,
        recipe="taught",
        quality={"test_accuracy": round(test.accuracy, 6)},
        parents={"data": data.sha256, **({"initial": run.origin["initial"]} if "initial" in run.origin else {})},
    )
    model, weights = store_model(network, card.contract, metadata, run.folder), run.folder / WEIGHTS
    result = TeachResult(
        name=card.name,
        tune=run.origin["tune"],
        data=data.name,
        kind=data.kind,
        photos=len(data.train),
        model=model,
        weights=weights,
        sha256=sha256_file(weights),
        parameters=sum(weight.numel() for weight in network.parameters()),
        validation_accuracy=accuracy,
        test_accuracy=test.accuracy,
        test_f1=macro_f1(test.confusion),
        test=test,
        epochs=metrics,
        shown=tuple(data.test.images[mistake.index] for mistake in test.mistakes),
    )
    record = {
        "recipe": run.recipe.to_dict(),
        "seed": run.seed,
        "architecture": asdict(card.architecture),
        "contract": card.contract.describe(),
        "data_sha256": data.sha256,
        **run.origin,
    }
    write_json(run.folder / TEACH, {**result.to_dict(), "model": model.name, "weights": weights.name, **record})
    return result
