"""The teacher's answers on disk, computed once per augmented view.

The key names everything that an answer depends on: the teacher's bytes, the data's bytes as the teacher sees them, the
augmentation, its seed and the preprocessing. What a cold run uses is what was stored.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgekit.console import counted, progress, say
from edgekit.data.dataset import Dataset
from edgekit.files import cache_folder
from edgekit.recipe import Augmentation
from edgekit.training.answers.file import AnswerFile
from edgekit.training.augment import View
from edgekit.training.teacher import Logits, Teacher

FORMAT = 3
LARGEST = float(np.finfo(np.float16).max)
MANY_CLASSES = 256
"""Of more than these only the likeliest are stored."""
LIKELIEST = 64


def float16_of(values: NDArray[np.float32]) -> NDArray[np.float16]:
    """Real values as float16, what is too large for it as the largest."""
    return values.clip(-LARGEST, LARGEST).astype(np.float16)


class Answers(Protocol):
    """The answers to a view, indexed by an array of rows: logits float32 [n, classes], and features behind them."""

    def __getitem__(self, rows: NDArray[np.int64], /) -> Logits: ...


class AnswerCache:
    """The answers of one teacher to the augmented views of one data set.

    Torch networks multiply in bfloat16 where the processor has it: they answer faster.

    ``data`` are the data as the teacher sees them; ``side`` is the height of the pictures as the student sees them, in
    pixels of which an augmentation may be; of other samples it decides nothing.
    """

    def __init__(self, teacher: Teacher, data: Dataset, augmentation: Augmentation, seed: int, side: int) -> None:
        from edgekit.training.precision import has_bf16

        self.teacher, self.images = teacher, data.train.images
        self.form = AnswerForm(len(data.classes), teacher.features)
        self.in_bf16 = teacher.network is not None and has_bf16()
        key = {
            "format": FORMAT,
            "teacher": teacher.sha256,
            "contract": teacher.contract.describe(),
            "data": data.sha256,
            # A field that does nothing is left out: one that is new leaves what was stored before.
            "augmentation": {name: value for name, value in asdict(augmentation).items() if value},
            "seed": seed,
            "in_bf16": self.in_bf16,
            "side": side if augmentation.elastic or augmentation.crop else 0,
        }
        self.folder = cache_folder("answers", key)
        self.key = self.folder.name

    def announce(self, views: int) -> None:
        """Say what the answers to so many views take on the disk."""
        count, size = len(self.images), views * len(self.images) * self.form.row.itemsize
        say(f"answers: {counted(views, 'views')} x {count:,} x {self.form}, {size / 1e6:.3g} MB in {self.folder}")

    def __call__(self, view: View) -> Answers:
        """The answers to the pictures of a view: from disk, or asked and stored."""
        import torch

        file = AnswerFile(self.folder / f"view-{view.number:04d}.bin", len(view), self.form.row)
        missing = list(file.missing())
        label = f"{self.teacher.name} answers view {view.number + 1}"
        bf16 = torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.in_bf16)
        with progress(label, sum(map(len, missing))) as bar, bf16:
            done = 0
            for rows in missing:
                file.write(rows, self.form.packed(self.teacher.answer(view.images(rows, self.images))))
                bar.update(done := done + len(rows))
        return _Stored(file.rows, self.form)


@dataclass(frozen=True)
class _Stored:
    rows: NDArray[Any]
    form: AnswerForm

    def __getitem__(self, rows: NDArray[np.int64], /) -> Logits:
        return self.form.unpacked(self.rows[rows])


@dataclass(frozen=True)
class AnswerForm:
    """How an answer is stored: logits as float16; of many classes the likeliest, and what is left for the others.

    Those are logarithms of probabilities, and the rest is divided evenly among the other classes. Features that follow
    the logits are stored as float16 too.
    """

    classes: int
    features: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether every class is stored."""
        return self.classes <= MANY_CLASSES

    @property
    def row(self) -> np.dtype[Any]:
        """The numpy type of an answer."""
        features = [("features", "<f2", (self.features,))] if self.features else []
        if self.is_whole:
            return np.dtype([("scores", "<f2", (self.classes,)), *features])
        scores = [("scores", "<f2", (LIKELIEST,)), ("classes", "<u4", (LIKELIEST,)), ("rest", "<f2")]
        return np.dtype([*scores, *features])

    def packed(self, answers: Logits) -> NDArray[Any]:
        """Rows of answers float32 [n, classes + features]."""
        rows = np.empty(len(answers), self.row)
        logits = answers[:, : self.classes]
        if self.features:
            rows["features"] = float16_of(answers[:, self.classes :])
        if self.is_whole:
            rows["scores"] = float16_of(logits)
            return rows
        logarithms = logits - np.logaddexp.reduce(logits, 1, keepdims=True)
        rows["classes"] = np.argpartition(-logarithms, LIKELIEST, 1)[:, :LIKELIEST]
        rows["scores"] = float16_of(np.take_along_axis(logarithms, rows["classes"], 1))
        np.put_along_axis(logarithms, rows["classes"], -np.inf, 1)
        rows["rest"] = float16_of(np.logaddexp.reduce(logarithms, 1))
        return rows

    def unpacked(self, rows: NDArray[Any]) -> Logits:
        """Answers float32 [n, classes + features] of rows."""
        logits = self._logits(rows)
        return np.concatenate([logits, rows["features"]], 1, dtype=np.float32) if self.features else logits

    def _logits(self, rows: NDArray[Any]) -> Logits:
        if self.is_whole:
            return np.asarray(rows["scores"], np.float32)
        share = np.asarray(rows["rest"], np.float32) - np.float32(np.log(self.classes - LIKELIEST))
        logits = np.repeat(share[:, None], self.classes, 1)
        np.put_along_axis(logits, np.asarray(rows["classes"], np.int64), rows["scores"].astype(np.float32), 1)
        return logits

    def __str__(self) -> str:
        logits = f"{self.classes} in fp16" if self.is_whole else f"the likeliest {LIKELIEST} of {self.classes:,}"
        return f"{logits} and {self.features:,} features" if self.features else logits
