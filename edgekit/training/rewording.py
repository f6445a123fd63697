"""Random views of texts: with other words than were written, as ``edgekit.recipe.Augmentation`` says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.training.augment import View

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgekit.data.dataset import ImageArray

Words = list[str]


class TextView(View):
    """One augmented view of texts [N]. Words are what white space parts, and one at least is left of each text.

    Each is changed in this order: a phrase of it, a phrase of another text put into it, swapped, dropped.
    """

    def _draw(self, count: int, rng: np.random.Generator, second: np.random.Generator) -> None:
        """A number for each text, of which all else that is random of it is made."""
        self._numbers = rng.integers(1, 1 << 63, count)
        self._partners = rng.permutation(count)

    def _changed(self, rows: NDArray[np.int64], source: ImageArray) -> Any:
        texts, others = source[rows], source[self._partners[rows]]
        changed = [self._reworded(*one) for one in zip(texts, others, self._numbers[rows], strict=True)]
        return np.array(changed, object)

    def _reworded(self, text: str, other: str, number: int) -> str:
        chosen, rng = self.augmentation, np.random.default_rng(number)
        is_phrase, is_spliced = rng.random(2) < (chosen.phrase, chosen.splice)
        if not (is_phrase or is_spliced or chosen.swap or chosen.drop):
            return text
        words = text.split()
        if is_phrase:
            words = _phrase(words, rng)
        if is_spliced:
            begin, end = _part(len(words), rng)
            words = [*words[:begin], *_phrase(other.split(), rng), *words[end:]]
        for place in np.flatnonzero(rng.random(len(words) - 1) < chosen.swap):
            words[place : place + 2] = words[place + 1], words[place]
        kept = rng.random(len(words)) >= chosen.drop
        kept[rng.integers(len(words))] = True
        return " ".join(word for word, is_kept in zip(words, kept, strict=True) if is_kept)


def _phrase(words: Words, rng: np.random.Generator) -> Words:
    begin, end = _part(len(words), rng)
    return words[begin:end]


def _part(count: int, rng: np.random.Generator) -> tuple[int, int]:
    """Where a phrase of a text of ``count`` words begins and ends: of any length alike, anywhere."""
    length = int(rng.integers(1, count, endpoint=True))
    begin = int(rng.integers(0, count - length, endpoint=True))
    return begin, begin + length
