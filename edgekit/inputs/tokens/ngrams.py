"""Words, their neighbours and their pieces, hashed into the rows of one table: no vocabulary.

A text is folded (``folded``) and cut into words (``words_of``). Each word has ``per_word`` ids: of itself, of itself
with the word before it (with the two before it, ...), and of pieces of it with its ends marked, as <great> has <gr,
gre, ..., at> (Bojanowski, Grave, Joulin, Mikolov 2017: Enriching Word Vectors with Subword Information). Which pieces
they are is said in ``_pieces``.

Nothing is padded, so that a mean over all ids is the mean of the words: a text of fewer words than there are places
begins again, and of one of more words the first are taken. Only a text without a word is zeros.

Ids are 1 + hash mod (buckets - 1). The hash of a word is FNV-1a (Fowler, Noll, Vo; 32 bits) of its UTF-8, that of a
piece the same of a byte 1 and its UTF-8. That of n words goes on from the last word's own with the four bytes, the
lowest first, of that of the n - 1 words before it, which is 0 before the first word. Everything is defined by code
points, not by a version of Unicode, so that every language has the same ids.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..error import InputError

Hashes = NDArray[np.uint32]

OFFSET, PRIME, MASK = 0x811C9DC5, 0x01000193, 0xFFFFFFFF
PIECE = b"\x01"
MOST_BUCKETS = 1 << 24
REMEMBERED = 1 << 16
"""Words whose hashes are kept."""

# Of U+00C0 to U+017F: small, and without accents where the letter is then one of a to z.
LATIN = (
    "aaaaaaæceeeeiiiiðnooooo×øuuuuyþßaaaaaaæceeeeiiiiðnooooo÷øuuuuyþy"
    "aaaaaaccccccccddđđeeeeeeeeeegggggggghhħħiiiiiiiiiıĳĳjjkkĸllllllŀ"
    "ŀłłnnnnnnŉŋŋooooooœœrrrrrrssssssssttttŧŧuuuuuuuuuuuuwwyyyzzzzzzſ"
)
# First, last, and how much further the small form of each is.
CAPITALS = (
    (0x41, 0x5A, 32),
    (0x388, 0x38A, 37),
    (0x391, 0x3AB, 32),
    (0x400, 0x40F, 80),
    (0x410, 0x42F, 32),
    (0x531, 0x556, 48),
)
# Every second one is a capital and followed by its small form.
PAIRS = ((0x460, 0x481), (0x48A, 0x4BF), (0x4D0, 0x52F), (0x1E00, 0x1E95), (0x1EA0, 0x1EFF))
OTHERS = {0x386: 0x3AC, 0x38C: 0x3CC, 0x38E: 0x3CD, 0x38F: 0x3CE, 0x3C2: 0x3C3, 0x60: 0x27, 0x2018: 0x27, 0x2019: 0x27}
# Accents of their own, joiners and variants: left out.
UNSEEN = ((0xAD, 0xAD), (0x300, 0x36F), (0x200B, 0x200F), (0x2060, 0x2064), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF))
SURROGATES = (0xD800, 0xDFFF)
FULL_WIDTH = (0xFF01, 0xFF5E, 0xFEE0)

SPACES = r"\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028-\u202f\u205f-\u206f\u3000"
# Each is a word: punctuation, signs, ideographs and emoji.
SIGNS = (
    r"!-/:-@\[-`{-~\u00a1-\u00a9\u00ab-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u00d7\u00f7\u2010-\u2027\u2030-\u205e"
    r"\u20a0-\u20cf\u2100-\u2bff\u3001-\u303f\u30fb\u3400-\u9fff\uf900-\ufaff\ufe10-\ufe6f\uff5f-\uff65\U0001f000-\U0003ffff"
)
LETTER = rf"[^{SPACES}{SIGNS}]"
# English short forms are words of their own, as corpora cut them: do n't, it 's.
NOT = rf"n't(?!{LETTER})"
WORD = re.compile(rf"{NOT}|(?:(?!{NOT}){LETTER})+|'(?:s|m|d|ll|re|ve)(?!{LETTER})|[{SIGNS}]")


def _table() -> dict[int, int | None]:
    """What each code point is folded to, where that is another one; None is nothing."""
    table: dict[int, int | None] = {0xC0 + place: ord(letter) for place, letter in enumerate(LATIN)}
    for first, last, further in CAPITALS:
        table.update({code: code + further for code in range(first, last + 1)})
    for first, last in PAIRS:
        table.update({code: code + 1 for code in range(first, last + 1, 2)})
    table.update(OTHERS)
    first, last, back = FULL_WIDTH
    table.update({code: table.get(code - back, code - back) for code in range(first, last + 1)})
    table.update({code: None for first, last in UNSEEN for code in range(first, last + 1)})
    table.update(dict.fromkeys(range(SURROGATES[0], SURROGATES[1] + 1), 0xFFFD))
    return table


FOLDED = _table()


def folded(text: str) -> str:
    """Small letters of Latin, Greek, Cyrillic and Armenian, Latin ones without accents; see ``_table``."""
    return text.translate(FOLDED)


def words_of(text: str) -> list[str]:
    """The words and signs of a text, folded."""
    return WORD.findall(folded(text))


def fnv1a(data: bytes) -> int:
    """The hash of 32 bits."""
    value = OFFSET
    for byte in data:
        value = (value ^ byte) * PRIME & MASK
    return value


@lru_cache(REMEMBERED)
def _hashes(word: str, chars: tuple[int, ...], pieces: int) -> tuple[int, ...]:
    """Of the word, and of ``pieces`` pieces of it."""
    return (fnv1a(word.encode()), *(fnv1a(PIECE + piece.encode()) for piece in _pieces(word, chars, pieces)))


def _pieces(word: str, chars: tuple[int, ...], count: int) -> list[str]:
    """So many pieces: all of the first size in their order, then all of the next; evenly chosen, or evenly repeated.

    A word that is too short for any is its own piece.
    """
    marked = f"<{word}>"
    found = [marked[start : start + size] for size in chars for start in range(len(marked) - size + 1)] or [marked]
    return [found[place * len(found) // count] for place in range(count)]


@dataclass(frozen=True)
class Ngrams:
    """Hashed n-grams.

    Attributes:
        buckets: rows of the table; row 0 is for a text without words.
        words: 2 also hashes pairs of words, 3 also three in a row.
        chars: lengths of the pieces of a word.
        per_word: ids of a word; those that ``words`` leaves are pieces.

    Raises:
        InputError: a number is impossible.
    """

    name: ClassVar[str] = "ngrams"

    buckets: int = 16384
    words: int = 2
    chars: tuple[int, ...] = (3, 4)
    per_word: int = 8

    def __post_init__(self) -> None:
        if not 2 <= self.buckets <= MOST_BUCKETS:
            raise InputError(f"A table of n-grams has 2 to {MOST_BUCKETS:,} buckets, not {self.buckets}.")
        if not 1 <= self.words <= self.per_word <= 64 or (self.per_word > self.words) != bool(self.chars):
            raise InputError(
                f"A word of {self.per_word} ids, {self.words} of them of words in a row, and pieces of {self.chars} "
                "do not go together; say lengths of pieces if ids are left for them, and only then."
            )
        if any(not 1 <= size <= 16 for size in self.chars):
            raise InputError(f"Pieces of words have 1 to 16 letters, not {self.chars}.")

    @property
    def size(self) -> int:
        """Rows of the table."""
        return self.buckets

    @property
    def sha256(self) -> str:
        """Of its numbers: they are all that decides the ids."""
        return hashlib.sha256(json.dumps([self.name, asdict(self)], sort_keys=True).encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Its numbers, without defaults."""
        default = asdict(Ngrams())
        return {name: value for name, value in asdict(self).items() if value != default[name]}

    def encode(self, texts: Sequence[str], length: int) -> NDArray[np.int32]:
        """int32 [N, length], word after word, each with its ``per_word`` ids."""
        places = length // self.per_word
        numbers: dict[str, int] = {}
        flat: list[int] = []
        counts = np.zeros(len(texts), np.int64)
        for row, text in enumerate(texts):
            words = words_of(text)[:places]
            counts[row] = len(words)
            flat += [numbers.setdefault(word, len(numbers)) for word in words]
        ids = np.zeros((len(texts), places, self.per_word), np.int32)
        if flat:
            pieces = self.per_word - self.words
            known = np.array([_hashes(word, self.chars, pieces) for word in numbers], np.uint32)
            starts, spoken = np.cumsum(counts) - counts, counts > 0
            own = known[flat]
            hashes = np.concatenate([*self._rows_of_words(own[:, :1], starts[spoken]), own[:, 1:]], 1)
            found = (hashes % np.uint32(self.buckets - 1) + np.uint32(1)).astype(np.int32)
            ids[spoken] = found[starts[spoken, None] + np.arange(places) % counts[spoken, None]]
        return ids.reshape(len(texts), length)

    def _rows_of_words(self, own: Hashes, starts: NDArray[np.int64]) -> list[Hashes]:
        """Hashes [words, 1] of one word, of two, ... that end at each."""
        rows = [own]
        while len(rows) < self.words:
            before = np.concatenate([rows[-1][:1], rows[-1][:-1]])
            before[starts] = 0
            value = own.copy()
            for shift in (0, 8, 16, 24):
                value = (value ^ (before >> np.uint32(shift) & np.uint32(0xFF))) * np.uint32(PRIME)
            rows.append(value)
        return rows


def from_dict(values: Mapping[str, Any]) -> Ngrams:
    """Read what ``to_dict`` made, also after JSON."""
    rest = dict(values)
    if "chars" in rest:
        rest["chars"] = tuple(int(size) for size in rest["chars"])
    return Ngrams(**rest)
