"""What a gate learns from: pictures that each expert is for, and which expert is right and surest of each."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgekit.console import progress
from edgekit.data import holds_photos, open_data
from edgekit.data.dataset import Dataset, Images, Labels, Split, content_sha256
from edgekit.data.intake import require_pictures
from edgekit.data.reading import Reading
from edgekit.data.splits import SPLITS
from edgekit.errors import DataError, UsageError, input_errors
from edgekit.evaluation.classifier import Classifier
from edgekit.files import write_bytes
from edgekit.inputs.contract import InputContract
from edgekit.inputs.contracts import Contract
from edgekit.inputs.described import read_contract
from edgekit.store.store import Entry, Store
from edgekit.tasks.classification import probabilities


@dataclass(frozen=True)
class Expert:
    """A model of a store that classifies pictures or texts, and the ``source`` of pictures that are for it."""

    entry: Entry
    source: str

    def __post_init__(self) -> None:
        self.entry.require_classifier()
        if "route" in self.entry.card:
            raise UsageError(f"'{self.entry.name}' is a door itself; name the models behind it.")
        if not (self.source or self.takes_text):
            raise UsageError(f"'{self.name}' says no pictures; give MODEL=SRC, as mnist-tiny=mnist.")

    @property
    def name(self) -> str:
        """Its name in the store, which is a label of the gate."""
        return self.entry.name

    @property
    def labels(self) -> tuple[str, ...]:
        """Its classes."""
        return tuple(self.entry.card["student"]["labels"])

    @property
    def contract(self) -> Contract:
        """How pictures or texts become its input."""
        return read_contract(self.entry.card["student"]["contract"])

    @property
    def pictures(self) -> InputContract:
        """The contract of an expert that takes pictures."""
        return require_pictures(self.contract, self.name)

    @property
    def takes_text(self) -> bool:
        """Whether it answers texts, and no pictures."""
        return self.contract.INPUT == "text"


@dataclass(frozen=True)
class ExpertPictures:
    """Pictures of one source, at most so many of each split, as models of any contract take them."""

    expert: Expert
    reading: Reading
    most: int
    seed: int

    def split(self, name: str, contract: InputContract) -> tuple[Images, Labels, tuple[str, ...]]:
        """Pictures uint8 [n, H, W, C], the numbers of their classes [n], and the classes' names."""
        source, own = self.expert.source, self.expert.pictures
        # What holds pixels has the size of one model, and is fitted to another's as a picture would be.
        data = open_data(source, contract if holds_photos(source) else own, self.reading)
        split: Split = getattr(data, name)
        if split.labels is None or len(split) == 0:
            raise DataError(f"{data.name} has no labelled {name} images, of which a gate learns; name another source.")
        chosen = split.take(split.sample(min(self.most, len(split)), self.seed))
        assert chosen.labels is not None
        pixels = chosen.images[:]
        if pixels.shape[1:] != contract.shape:
            with input_errors(DataError, f"{data.name}: "):
                pixels = np.stack([contract.fit(picture) for picture in pixels])
        return pixels, chosen.labels, data.classes


def examples(
    experts: Sequence[Expert], store: Store, contract: InputContract, reading: Reading, most: int, seed: int
) -> Dataset:
    """Pictures as the gate takes them, labelled by the expert that each is for; ``most`` of each source and split.

    A picture is for the expert of its source, unless others know its class too: then for the one that names it and is
    surest (of those that are wrong, none counts).
    """
    names = tuple(expert.name for expert in experts)
    parts: dict[str, Split] = {}
    with _opened(experts, store) as models, progress("pictures of each expert", len(SPLITS) * len(experts)) as bar:
        for place, split in enumerate(SPLITS):
            images: list[Images] = []
            targets: list[Labels] = []
            for number, expert in enumerate(experts):
                source = ExpertPictures(expert, reading, most, seed)
                images.append(source.split(split, contract)[0])
                targets.append(_targets(number, experts, models, source, split, len(images[-1])))
                bar.update(place * len(experts) + number + 1)
            parts[split] = Split(np.concatenate(images), np.concatenate(targets))
    held = [np.asarray(value) for part in parts.values() for value in (part.images[:], part.labels)]
    return Dataset("experts", names, **parts, sha256=content_sha256(*held))


def _targets(
    number: int,
    experts: Sequence[Expert],
    models: Mapping[str, Classifier],
    source: ExpertPictures,
    split: str,
    count: int,
) -> Labels:
    """The number of the expert that each picture of a source is for."""
    found = np.full(count, number, np.int64)
    own = set(experts[number].labels)
    rivals = [place for place, expert in enumerate(experts) if own & set(expert.labels)]
    if len(rivals) == 1:
        return found
    surest = np.zeros(count)
    for place in rivals:
        expert = experts[place]
        pixels, labels, classes = source.split(split, expert.pictures)
        model = models[expert.name]
        chances = probabilities(model.scores(pixels), model.output)
        wanted = [expert.labels.index(classes[label]) if classes[label] in expert.labels else -1 for label in labels]
        sure = np.where(chances.argmax(1) == wanted, chances.max(1), 0.0)
        found[sure > surest] = place
        surest = np.maximum(surest, sure)
    return found


@contextmanager
def _opened(experts: Sequence[Expert], store: Store) -> Iterator[Mapping[str, Classifier]]:
    """Each expert, open."""
    with tempfile.TemporaryDirectory() as scratch:
        models: dict[str, Classifier] = {}
        try:
            for expert in experts:
                path = Path(scratch) / expert.name / Path(expert.entry.card["file"]).name
                write_bytes(path, store.read(expert.entry.sha256))
                models[expert.name] = Classifier(path, contract=expert.pictures)
            yield models
        finally:
            for model in models.values():
                model.close()
