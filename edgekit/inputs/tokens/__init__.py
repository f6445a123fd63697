"""How a sentence becomes the ids that a model of text takes: one file for each tokenizer, found by name.

Each has a frozen dataclass of the file's name in capitals, as ``Ngrams`` of ``ngrams``; see ``Tokenizer``. The page has
the same in JavaScript, and a test holds both together. Python 3.9 and NumPy alone.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..error import unknown

Ids = NDArray[np.int32]


class Tokenizer(Protocol):
    """Sentences to ids, which are rows of a model's first table; 0 is padding."""

    @property
    def name(self) -> str:
        """That of its file."""

    @property
    def size(self) -> int:
        """Ids are less than that: so many rows has the table."""

    @property
    def per_word(self) -> int:
        """Ids of one word, which follow each other."""

    @property
    def sha256(self) -> str:
        """Of all that decides the ids."""

    def encode(self, texts: Sequence[str], length: int) -> Ids:
        """int32 [N, length]."""

    def to_dict(self) -> dict[str, Any]:
        """Its fields as plain values, without defaults."""


def tokenizers() -> tuple[str, ...]:
    """The names of all tokenizers, sorted."""
    return tuple(sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py")))


def read_tokenizer(values: Mapping[str, Any]) -> Tokenizer:
    """Read ``{"name": ..., **tokenizer.to_dict()}``, also after JSON.

    Raises:
        InputError: there is none of that name, or its values are impossible.
        KeyError, TypeError, ValueError: a key is missing, unknown or of the wrong type.
    """
    rest = dict(values)
    name, known = str(rest.pop("name")), tokenizers()
    if name not in known:
        raise unknown("tokenizer", name, known)
    tokenizer: Tokenizer = importlib.import_module(f".{name}", __package__).from_dict(rest)
    return tokenizer
