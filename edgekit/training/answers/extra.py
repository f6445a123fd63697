"""Samples without labels that a student learns too: what the teacher says of them is all that is known."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgekit.console import counted, say
from edgekit.data import Source, open_unlabelled
from edgekit.data.dataset import Dataset, Joined, Labels, Split
from edgekit.data.reading import Reading
from edgekit.errors import DataError
from edgekit.files import sha256_bytes
from edgekit.inputs.contracts import Contract
from edgekit.recipe import Augmentation
from edgekit.training.answers.ensemble import Ensemble, seen_by

AT_ONCE = 256
"""Rows that are looked at together."""


def with_extra(
    data: Dataset, ensemble: Ensemble, contract: Contract, source: Source, reading: Reading
) -> tuple[Dataset, Ensemble]:
    """The data with the samples of ``source`` in their training split, as the student and as each teacher sees them.

    The likeliest class by the teachers stands for the label. What the validation or the test split holds too is left
    out.

    Raises:
        DataError: the source is broken or empty, or holds pixels of another size.
    """
    from edgekit.training.views import view_of

    whole = open_unlabelled(source, contract, reading)
    rows = _unseen(whole, data)
    extra = _of(whole, rows)
    seen = [
        extra if member.data is data else _of(open_unlabelled(source, seen_by(member.teacher, contract), reading), rows)
        for member in ensemble.members
    ]
    asked = _with_data(ensemble, [replace(part, classes=data.classes) for part in seen])
    view = view_of(extra.train, Augmentation(), 0, 0)
    labels = asked.answers(Augmentation(), 0, contract.shape[0])(view)[np.arange(len(view))].argmax(1)
    say(f"{counted(len(labels), extra.kind)} of {extra.name} without labels: learned as {ensemble.name} answers")
    parts = zip(ensemble.members, seen, strict=True)
    return _joined(data, extra, labels), _with_data(ensemble, [_joined(one.data, part, labels) for one, part in parts])


def _unseen(extra: Dataset, data: Dataset) -> NDArray[np.int64]:
    """The rows of ``extra`` that are not those by which ``data`` judges."""
    judging = {row for split in (data.validation, data.test) for row in _contents(split)}
    rows = np.array([index for index, row in enumerate(_contents(extra.train)) if row not in judging], np.int64)
    if known := len(extra.train) - len(rows):
        say(f"{counted(known, extra.kind)} of {extra.name} left out: the validation or test split holds them too")
    if not len(rows):
        raise DataError(f"{extra.name} holds nothing but what students are judged by; give other {extra.kind}.")
    return rows


def _contents(split: Split) -> Iterator[bytes]:
    """What tells each row from others."""
    for rows, _ in split.batches(AT_ONCE):
        for row in rows:
            content = row.encode("utf-8", "surrogatepass") if isinstance(row, str) else row.tobytes()
            yield hashlib.blake2b(content).digest()


def _of(extra: Dataset, rows: NDArray[np.int64]) -> Dataset:
    """These rows alone."""
    if len(rows) == len(extra.train):
        return extra
    digest = sha256_bytes(f"{extra.sha256} {rows.tolist()}".encode())
    return replace(extra, train=extra.train.take(rows), sha256=digest)


def _with_data(ensemble: Ensemble, data: list[Dataset]) -> Ensemble:
    pairs = zip(ensemble.members, data, strict=True)
    return replace(ensemble, members=tuple(replace(member, data=part) for member, part in pairs))


def _joined(data: Dataset, extra: Dataset, labels: Labels) -> Dataset:
    assert data.train.labels is not None
    train = Split(Joined(data.train.images, extra.train.images), np.concatenate([data.train.labels, labels]))
    return replace(data, train=train, sha256=sha256_bytes(f"{data.sha256} {extra.sha256}".encode()))
