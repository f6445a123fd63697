"""``edgekit route``: one name in a store for several of its models."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgekit.catalog import INT8_TFLITE, RUNS
from edgekit.console import Part, Remark, Table, say
from edgekit.data.dataset import Dataset, Split
from edgekit.data.intake import require_pictures
from edgekit.data.reading import Reading
from edgekit.errors import UsageError
from edgekit.evaluation.classifier import Classifier
from edgekit.evaluation.input_options import InputOptions
from edgekit.inputs.door import Door
from edgekit.options import ANY_SEED, LARGEST_SEED, Options, argument, group, option
from edgekit.result import Result
from edgekit.routing.examples import Expert, examples
from edgekit.store.card import read_model
from edgekit.store.commands import StoreOptions
from edgekit.store.store import Store
from edgekit.tasks.classification import probabilities

GATE = "gate"
"""The architecture of a gate, among the teachers: it learns from labels alone."""


@dataclass(frozen=True)
class RouteOptions(Options):
    """Which models, and what each is for."""

    name: str = argument("What the door is called in the store.", metavar="NAME")
    experts: tuple[str, ...] = argument(
        "A model of the store, and labelled pictures that are for it; of texts, one MODEL alone.",
        metavar="MODEL=SRC",
        many=True,
    )
    unsure: float = option(
        "The share of rightly sent pictures that may stay without an answer, so that strange ones do.",
        0.01,
        least=0,
        most=0.5,
    )
    pictures: int = option("Of each source, at most so many to learn from.", 3000, least=20)
    epochs: int | None = option("Training epochs.", None, unset="the card's", least=1)
    replace: bool = option("Let the name stand for another model than before.", False)
    seed: int = option(ANY_SEED, 0, least=0, most=LARGEST_SEED)
    out: Path | None = option("Folder for the gate.", None, metavar="DIR", unset="runs/NAME")
    reading: Reading = group(Reading)
    where: StoreOptions = group(StoreOptions)

    def __post_init__(self) -> None:
        super().__post_init__()
        names = [expert.partition("=")[0] for expert in self.experts]
        for expert in self.experts:
            name, equals, source = expert.partition("=")
            if not name or bool(equals) != bool(source):
                raise UsageError(f"'{expert}' says no pictures; give MODEL=SRC, as mnist-tiny=mnist.")
            if names.count(name) > 1:
                raise UsageError(f"'{name}' is named twice; give each model once.")
        if self.name in names:
            raise UsageError(f"'{self.name}' is behind the door; give the door a name of its own.")
        if len(names) < 2:
            raise UsageError(f"A door of {names[0]} alone leads nowhere else; name two models or more.")


@dataclass(frozen=True)
class Routed:
    """What the gate does with an expert's test pictures, in shares of them."""

    expert: str
    pictures: int
    right: float
    wrong: float
    unsure: float


@dataclass(frozen=True)
class RouteResult(Result):
    """The door: where it is, from which sureness on it answers, and what it does with test pictures."""

    name: str
    store: str
    sha256: str
    file_bytes: int
    threshold: float
    experts: tuple[Routed, ...]
    texts: str = ""
    """The model that answers texts, if one does."""

    def parts(self) -> Iterator[Part]:
        """A row for each expert."""
        rows = [
            (one.expert, f"{one.pictures:,}", *(f"{share:.2%}" for share in (one.right, one.wrong, one.unsure)))
            for one in self.experts
        ]
        yield Table(
            f"{self.name} in {self.store}, {self.file_bytes:,} B",
            ("expert", "test pictures", "sent there", "sent elsewhere", "not answered"),
            rows,
        )
        if self.texts:
            yield Remark(f"texts go to {self.texts}")
        yield Remark(f"answers from a probability of {self.threshold:.4f} on; serve it with 'edgekit serve --store'")
        yield Remark(f"'edgekit store export {self.name}' writes it as files, of which 'edgekit deploy' makes an app")


def route(options: RouteOptions) -> RouteResult:
    """Train a gate that says which model a picture is for, quantize it, and keep it in the store as a model.

    That a text is none of them is told by its form, so no gate learns it.

    The threshold below which it leaves a picture unanswered is chosen on validation pictures; test pictures are looked
    at once.

    Raises:
        UnknownNameError: an expert is not in the store.
        UsageError: an expert is no classifier or a door itself, two take texts, or fewer than two pictures.
        DataError: a source has no labelled pictures.
        StorageError: the store or the folder cannot be written.
    """
    from edgekit.quantization.options import QuantizeOptions
    from edgekit.quantization.quantize import quantize
    from edgekit.training.recipe_options import RecipeOptions
    from edgekit.training.teach import TeachOptions, teach
    from edgekit.training.tuning.pretrained import teacher_card

    folder = options.out or RUNS / options.name
    contract = require_pictures(teacher_card(GATE).contract, GATE)
    with Store.there(options.where.path) as store:
        pairs = (expert.partition("=") for expert in options.experts)
        named = [Expert(store.find(name), source) for name, _, source in pairs]
        experts = [expert for expert in named if not expert.takes_text]
        texts = [expert.name for expert in named if expert.takes_text]
        if len(texts) > 1:
            raise UsageError(f"{' and '.join(texts)} take texts, which lead to one model; name one of them.")
        if len(experts) < 2:
            raise UsageError("A door tells models of pictures apart; name two of them or more.")
        data = examples(experts, store, contract, options.reading, options.pictures, options.seed)
        recipe = RecipeOptions() if options.epochs is None else RecipeOptions(epochs=options.epochs)
        teach(TeachOptions(GATE, data=data, out=folder, recipe=recipe, seed=options.seed))
        quantize(QuantizeOptions(str(folder), data=data, out=folder, int8=True, rungs=1))
        with Classifier(folder / INT8_TFLITE) as gate:
            threshold = _threshold(*_answers(gate, data.validation), options.unsure)
            found = _measured(data, *_answers(gate, data.test), threshold)
        read = read_model(str(folder / INT8_TFLITE), InputOptions())
        card = {**read.card, "route": asdict(Door(threshold, "".join(texts)))}
        entry = store.add(options.name, read.data, card, options.replace)
    say(f"the gate is in {folder}")
    return RouteResult(options.name, str(options.where.path), entry.sha256, len(read.data), threshold, found, *texts)


def _answers(gate: Classifier, split: Split) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Whether the gate is right, and how sure it is, of each picture, in the four digits that answers have."""
    chances = probabilities(gate.scores(split.images[:]), gate.output)
    return chances.argmax(1) == split.labels, chances.max(1).round(4)


def _threshold(right: NDArray[np.bool_], sure: NDArray[np.float64], unsure: float) -> float:
    """The sureness that all but a share ``unsure`` of the pictures reach which are sent where they belong."""
    own = sure[right] if right.any() else sure
    return float(np.quantile(own, unsure, method="lower"))


def _measured(
    data: Dataset, right: NDArray[np.bool_], sure: NDArray[np.float64], threshold: float
) -> tuple[Routed, ...]:
    answered = sure >= threshold
    found = []
    for number, name in enumerate(data.classes):
        own = np.asarray(data.test.labels) == number
        shares = (right & answered, ~right & answered, ~answered)
        found.append(
            Routed(name, int(own.sum()), *(float(share[own].mean()) if own.any() else 0.0 for share in shares))
        )
    return tuple(found)
