"""BERT's words in pieces of a vocabulary (Devlin, Chang, Lee, Toutanova 2019), as its ``vocab.txt`` lists them.

A text is cut at white space; punctuation and ideographs are words of their own; without ``cased`` letters become small
and lose their accents. A word is the longest piece of the vocabulary that it begins with, then the longest ##piece, and
so on; [UNK] if that ends nowhere. The ids are those of [CLS], the pieces, [SEP], and of [PAD] to the end; pieces for
which there is no place are left out.

Names of special pieces in a text are text. What has become another kind of character since version 13 of Unicode may be
cut otherwise by another Python or a browser; such are rare signs, and no vocabulary of a BERT knows them.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..error import InputError

PAD, UNKNOWN, FIRST, LAST = "[PAD]", "[UNK]", "[CLS]", "[SEP]"
FOLLOWS = "##"
LONGEST_WORD = 100
REMEMBERED = 1 << 16
"""Words whose pieces are kept."""
IDEOGRAPHS = (
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B81F),
    (0x2B920, 0x2CEAF),
    (0x2F800, 0x2FA1F),
)
SPACES, WHITE, UNSEEN = "\t\n\r", ("Zs", "Zl", "Zp"), ("Cc", "Cf", "Co", "Cs")
ASCII_SIGNS = "$+<=>^`|~"
"""Those that Unicode does not call punctuation."""
REPLACEMENT = "\ufffd"


class _Cut(dict[int, str]):
    """What becomes of each code point before a text is cut at its spaces."""

    def __init__(self, strips_accents: bool) -> None:
        self.left_out = (*UNSEEN, "Mn") if strips_accents else UNSEEN

    def __missing__(self, code: int) -> str:
        char = chr(code)
        kind = unicodedata.category(char)
        is_word = kind[0] == "P" or char in ASCII_SIGNS or any(first <= code <= last for first, last in IDEOGRAPHS)
        if char in SPACES or kind in WHITE:
            self[code] = " "
        else:
            self[code] = "" if kind in self.left_out or char == REPLACEMENT else f" {char} " if is_word else char
        return self[code]


CASED, UNCASED = _Cut(strips_accents=False), _Cut(strips_accents=True)


@dataclass(frozen=True)
class WordPiece:
    """Pieces of a vocabulary, which travels in the model file.

    Attributes:
        vocabulary: a piece for each id; [PAD] is the first.
        cased: capitals and accents are kept.

    Raises:
        InputError: a special piece is missing, or a piece is there twice.
    """

    name: ClassVar[str] = "wordpiece"
    per_word: ClassVar[int] = 1

    vocabulary: tuple[str, ...]
    cased: bool = False

    def __post_init__(self) -> None:
        if missing := {PAD, UNKNOWN, FIRST, LAST} - set(self.vocabulary):
            raise InputError(f"The vocabulary lacks {', '.join(sorted(missing))}; give the vocab.txt of a BERT.")
        if self.vocabulary[0] != PAD or len(self._ids) != len(self.vocabulary):
            raise InputError(f"The vocabulary has a piece twice, or another first than {PAD}; give a BERT's vocab.txt.")

    @property
    def size(self) -> int:
        """Pieces."""
        return len(self.vocabulary)

    @cached_property
    def sha256(self) -> str:
        """Of the vocabulary, a piece a line, after the word cased or uncased."""
        lines = ("cased" if self.cased else "uncased", *self.vocabulary)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """The vocabulary, a piece a line, and its sha256."""
        case = {"cased": True} if self.cased else {}
        return {"vocabulary": "\n".join(self.vocabulary), **case, "sha256": self.sha256}

    def encode(self, texts: Sequence[str], length: int) -> NDArray[np.int32]:
        """int32 [N, length]."""
        ids = np.zeros((len(texts), length), np.int32)
        for row, text in enumerate(texts):
            found = [piece for word in self.words_of(text) for piece in self._pieces(word)]
            found = [self._ids[FIRST], *found[: length - 2], self._ids[LAST]]
            ids[row, : len(found)] = found
        return ids

    def words_of(self, text: str) -> list[str]:
        """The words of a text, before they are cut into pieces."""
        if self.cased:
            return text.translate(CASED).split()
        plain = unicodedata.normalize("NFD", text).translate(UNCASED)
        return plain.replace("Σ", "σ").lower().split()  # Python has another small sigma at the end of a word

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {piece: place for place, piece in enumerate(self.vocabulary)}

    @cached_property
    def _pieces(self) -> Callable[[str], tuple[int, ...]]:
        return lru_cache(REMEMBERED)(self._cut)

    def _cut(self, word: str) -> tuple[int, ...]:
        found: list[int] = []
        start = 0
        while start < len(word) <= LONGEST_WORD:
            ends = range(len(word), start, -1)
            pieces = ((end, self._ids.get((FOLLOWS if start else "") + word[start:end])) for end in ends)
            end, piece = next(((end, piece) for end, piece in pieces if piece is not None), (0, None))
            if piece is None:
                break
            found.append(piece)
            start = end
        return tuple(found) if start == len(word) else (self._ids[UNKNOWN],)


def from_dict(values: Mapping[str, Any]) -> WordPiece:
    """Read what ``to_dict`` made, also after JSON.

    Raises:
        InputError: the vocabulary is not the one of the sha256.
    """
    rest = dict(values)
    expected, vocabulary = rest.pop("sha256", None), tuple(str(rest.pop("vocabulary")).split("\n"))
    read = WordPiece(vocabulary, **rest)
    if expected not in (None, read.sha256):
        raise InputError("The tokenizer is not the model's own: its sha256 differs; take the one that came with it.")
    return read
