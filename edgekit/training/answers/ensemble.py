"""One teacher or several that answer together: each sees the data at its own size, and keeps its own answers.

So a teacher's answers serve every ensemble that it is in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgekit.console import progress, say
from edgekit.data import Source, open_data
from edgekit.data.dataset import Dataset
from edgekit.data.reading import STRICT, Reading
from edgekit.errors import UsageError
from edgekit.files import sha256_bytes
from edgekit.inputs.contracts import Contract
from edgekit.recipe import Augmentation
from edgekit.training.answers.cache import AnswerCache, Answers
from edgekit.training.augment import View
from edgekit.training.teacher import Logits, Teacher

WAYS = ("mean", "confidence")
"""How several answers become one: all alike, or each by its confidence in the picture."""


@dataclass(frozen=True)
class Member:
    """A teacher with the data as it sees them."""

    teacher: Teacher
    data: Dataset

    @classmethod
    def of(
        cls, teacher: Teacher, data: Dataset, contract: Contract, source: Source, reading: Reading = STRICT
    ) -> Member:
        """A teacher of ``data``, which were opened from ``source`` for a student of ``contract``.

        Photos are read at the teacher's size; sources that hold pixels are resized when they are asked about.

        Raises:
            UsageError: the teacher does not answer about these classes.
        """
        own = seen_by(teacher, contract)
        if own.blank.shape[1:] != data.train.images.shape[1:] and not isinstance(data.train.images, np.ndarray):
            data = open_data(source, own, reading)
        check_teacher(teacher, data)
        if teacher.learned and teacher.learned != data.sha256:
            say(
                f"{teacher.name} has learned other {data.kind} than {data.name} has now: if it has seen some of the "
                "test split, students look better than they are; train it again to be sure"
            )
        return cls(teacher, data)

    def answer_test(self) -> Logits:
        """Its logits float32 [N, classes] for the test images."""
        found: list[Logits] = []
        with progress(f"{self.teacher.name} answers the test images", len(self.data.test)) as bar:
            for images, _ in self.data.test.batches(500):
                found.append(self.teacher.answer(images))
                bar.update(sum(map(len, found)))
        return np.concatenate(found)


@dataclass(frozen=True)
class Ensemble:
    """Teachers of the same classes, at least one; ``way`` is one of WAYS."""

    members: tuple[Member, ...]
    way: str = "mean"

    @property
    def name(self) -> str:
        """The names of all."""
        return " + ".join(member.teacher.name for member in self.members)

    @property
    def sha256(self) -> str:
        """Names all that its answers depend on; of one teacher the teacher's own."""
        if len(self.members) == 1:
            return self.members[0].teacher.sha256
        return sha256_bytes(" ".join([self.way, *(member.teacher.sha256 for member in self.members)]).encode())

    def test_accuracy(self) -> float:
        """Top-1 accuracy in [0, 1] on the test split."""
        answers = combined([member.answer_test() for member in self.members], self.way)
        return float(np.mean(answers.argmax(1) == self.members[0].data.test.labels))

    def answers(self, augmentation: Augmentation, seed: int, side: int) -> CombinedAnswers:
        """What answers views of the training set; see AnswerCache."""
        caches = [AnswerCache(member.teacher, member.data, augmentation, seed, side) for member in self.members]
        return CombinedAnswers(tuple(caches), self.way)


@dataclass(frozen=True)
class CombinedAnswers:
    """The caches of several teachers as one."""

    caches: tuple[AnswerCache, ...]
    way: str

    @property
    def key(self) -> str:
        """Names the answers."""
        return " ".join([cache.key for cache in self.caches] + [self.way] * (len(self.caches) > 1))

    def announce(self, views: int) -> None:
        """Say what the answers to so many views take on the disk."""
        for cache in self.caches:
            cache.announce(views)

    def __call__(self, view: View) -> Answers:
        """The answers to the pictures of a view."""
        return _Combined(tuple(cache(view) for cache in self.caches), self.way)


@dataclass(frozen=True)
class _Combined:
    parts: tuple[Answers, ...]
    way: str

    def __getitem__(self, rows: NDArray[np.int64], /) -> Logits:
        return combined([part[rows] for part in self.parts], self.way)


def combined(answers: Sequence[Logits], way: str) -> Logits:
    """One answer of several, logits float32 [n, classes] each: the logarithm of the mean of their probabilities.

    ``confidence`` weighs each by how far its entropy is below that of a guess, picture by picture. A single answer is
    given back as it is.
    """
    if len(answers) == 1:
        return answers[0]
    scores = np.stack(answers)
    scores -= np.logaddexp.reduce(scores, 2, keepdims=True)
    weights = np.ones(scores.shape[:2])
    if way == "confidence":
        entropy = -(np.exp(scores) * scores).sum(2)
        weights = 1 - entropy / np.log(scores.shape[2]) + 1e-6
    with_weights = scores + np.log(weights / weights.sum(0))[:, :, None]
    return np.asarray(np.logaddexp.reduce(with_weights, 0), np.float32)


def seen_by(teacher: Teacher, contract: Contract) -> Contract:
    """How samples become rows for a teacher whose student has ``contract``: of pictures alike but for the size.

    Raises:
        UsageError: the teacher takes another kind of samples.
    """
    if type(teacher.contract) is not type(contract):
        raise UsageError(
            f"The teacher {teacher.name} takes {teacher.contract.INPUT} and the student {contract.INPUT}; name another."
        )
    return contract.sized_as(teacher.contract)


def check_teacher(teacher: Teacher, data: Dataset) -> None:
    """Fail before the training begins if the teacher cannot answer about these classes.

    Raises:
        UsageError: it has other classes, or the same ones in another order.
    """
    classes = teacher.answer(data.train.images[:1]).shape[1]
    if classes != len(data.classes):
        raise UsageError(
            f"The teacher {teacher.name} knows {classes} classes and {data.name} has {len(data.classes)}; "
            "use a teacher trained on these classes."
        )
    numbers = tuple(map(str, range(classes)))
    named = len(teacher.labels) == classes and numbers not in (teacher.labels, data.classes)
    if named and teacher.labels != data.classes:
        place = next(index for index in range(classes) if teacher.labels[index] != data.classes[index])
        raise UsageError(
            f"Class {place} of the teacher {teacher.name} is '{teacher.labels[place]}', and of {data.name} it is "
            f"'{data.classes[place]}'; use a teacher trained on these classes, in this order."
        )
