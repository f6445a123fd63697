"""The augmented view that an epoch goes over, with the teacher's answers to it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from edgekit.data.dataset import Images, Split
from edgekit.recipe import Augmentation, TrainRecipe
from edgekit.training.answers.cache import Answers
from edgekit.training.augment import View
from edgekit.training.rewording import TextView

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

Teaching = Callable[[View], Answers]
"""A view -> the teacher's answers to exactly its pictures."""
MAX_VIEW_BYTES = 512 << 20


def view_of(split: Split, augmentation: Augmentation, seed: int, number: int) -> View:
    """One view of the rows of a split, pictures or texts.

    Raises:
        UsageError: the augmentation is of the other.
    """
    augmentation.require(split.kind)
    kind = TextView if split.kind == "texts" else View
    return kind(split.images, split.labels, augmentation, seed, number)


@dataclass(frozen=True)
class Rendered:
    """A view and the teacher's answers to it; ``pictures`` are all of its pictures where they fit into memory.

    ``mirrored`` [N] says which are turned left to right, perhaps a second time: what they show, and so what the
    teacher answers, stays the same.
    """

    view: View
    pictures: Images | None
    logits: Answers | None
    mirrored: NDArray[np.bool_] | None = None

    def images(self, rows: NDArray[np.int64]) -> Images:
        """Pictures uint8 [N, H, W, C]."""
        pictures = self.view.images(rows) if self.pictures is None else self.pictures[rows]
        if self.mirrored is None:
            return pictures
        return np.where(self.mirrored[rows, None, None, None], pictures[:, :, ::-1], pictures)

    def answers(self, rows: NDArray[np.int64]) -> Tensor | None:
        """The teacher's answers to them; None if there is no teacher."""
        return None if self.logits is None else torch.from_numpy(self.logits[rows])


class Views:
    """The augmented view of an epoch and the teacher's answers to it; the latest few stay in memory if small."""

    def __init__(self, split: Split, recipe: TrainRecipe, seed: int, answers: Teaching | None) -> None:
        self.split, self.recipe, self.seed, self.answers = split, recipe, seed, answers
        are_texts = len(split.images.shape) == 1
        self.bytes = sum(map(len, split.images[:])) if are_texts else math.prod(split.images.shape)
        self.kept: dict[int, Rendered] = {}
        self.answering_s = 0.0
        """What the teacher's answers to the last view took, from the teacher or from disk."""

    def get(self, epoch: int) -> Rendered:
        """The view of an epoch, rendered and answered when it is first asked for."""
        number, self.answering_s = epoch % self.recipe.distinct_views, 0.0
        if number not in self.kept:
            comes_again = self.recipe.distinct_views < self.recipe.epochs and self.bytes <= MAX_VIEW_BYTES
            if not comes_again or (len(self.kept) + 1) * self.bytes > MAX_VIEW_BYTES:
                self.kept.clear()  # each holds a file open, too
            view = view_of(self.split, self.recipe.augmentation, self.seed, number)
            pictures = view.images(np.arange(len(view))) if comes_again else None
            started = time.perf_counter()
            answers = None if self.answers is None else self.answers(view)
            self.answering_s = time.perf_counter() - started
            self.kept[number] = Rendered(view, pictures, answers)
        if epoch == number or not self.recipe.augmentation.flip:
            return self.kept[number]
        drawn = np.random.default_rng((self.seed, 2, epoch)).random(len(self.split))
        return replace(self.kept[number], mirrored=drawn < self.recipe.augmentation.flip)
