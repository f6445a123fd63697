"""Samples without labels that a student learns too: what the teacher says of them is all that is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgekit.console import counted, say
from edgekit.data import Source, open_unlabelled
from edgekit.data.dataset import Dataset, Joined, Labels, Split
from edgekit.data.reading import Reading
from edgekit.files import sha256_bytes
from edgekit.inputs.contracts import Contract
from edgekit.recipe import Augmentation
from edgekit.training.answers.ensemble import Ensemble, seen_by


def with_extra(
    data: Dataset, ensemble: Ensemble, contract: Contract, source: Source, reading: Reading
) -> tuple[Dataset, Ensemble]:
    """The data with the samples of ``source`` in their training split, as the student and as each teacher sees them.

    The likeliest class by the teachers stands for the label.

    Raises:
        DataError: the source is broken or empty, or holds pixels of another size.
    """
    from edgekit.training.views import view_of

    extra = open_unlabelled(source, contract, reading)
    seen = [
        extra if member.data is data else open_unlabelled(source, seen_by(member.teacher, contract), reading)
        for member in ensemble.members
    ]
    asked = _with_data(ensemble, [replace(part, classes=data.classes) for part in seen])
    view = view_of(extra.train, Augmentation(), 0, 0)
    labels = asked.answers(Augmentation(), 0, contract.shape[0])(view)[np.arange(len(view))].argmax(1)
    say(f"{counted(len(labels), extra.kind)} of {extra.name} without labels: learned as {ensemble.name} answers")
    parts = zip(ensemble.members, seen, strict=True)
    return _joined(data, extra, labels), _with_data(ensemble, [_joined(one.data, part, labels) for one, part in parts])


def _with_data(ensemble: Ensemble, data: list[Dataset]) -> Ensemble:
    pairs = zip(ensemble.members, data, strict=True)
    return replace(ensemble, members=tuple(replace(member, data=part) for member, part in pairs))


def _joined(data: Dataset, extra: Dataset, labels: Labels) -> Dataset:
    assert data.train.labels is not None
    train = Split(Joined(data.train.images, extra.train.images), np.concatenate([data.train.labels, labels]))
    return replace(data, train=train, sha256=sha256_bytes(f"{data.sha256} {extra.sha256}".encode()))
