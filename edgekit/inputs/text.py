"""What a model of text eats: from a sentence to the ids that its file takes."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .error import InputError
from .tokens import Ids, Tokenizer, read_tokenizer

MOST_IDS = 1 << 16
SAMPLE = "It's a charming, naïve — and never dull — journey; don't miss it! 我 😀"
"""Its first ids travel with a tokenizer, so that whoever reads it knows that it makes the same ones."""
SAMPLE_IDS = 12


@dataclass(frozen=True)
class TextContract:
    """How a sentence becomes a model's input: ``length`` ids of a tokenizer, int32 [1, length].

    How a text is cut that has more is said in the tokenizer's file.

    Raises:
        InputError: the length is impossible, or does not go together with the tokenizer.
    """

    INPUT: ClassVar[str] = "text"
    CALLED: ClassVar[str] = "text"
    domain: ClassVar[str] = "text"

    length: int
    tokenizer: Tokenizer

    def __post_init__(self) -> None:
        each = self.tokenizer.per_word
        if not max(3, each) <= self.length <= MOST_IDS or self.length % each:
            raise InputError(
                f"A text has {max(3, each)} to {MOST_IDS:,} ids, a multiple of the {each} that a word has, "
                f"not {self.length}."
            )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TextContract:
        """Read what ``to_dict`` or ``describe`` made, also after JSON.

        Raises:
            InputError: the values are impossible, or the tokenizer makes other ids than the model was made with.
            KeyError, TypeError, ValueError: a key is missing, unknown or of the wrong type.
        """
        read = cls(int(values["length"]), read_tokenizer(values["tokenizer"]))
        if list(values.get("sample", read.sample)) != read.sample:
            raise InputError("The tokenizer is not the model's own: it makes other ids; take EdgeKit of that version.")
        return read

    @property
    def summary(self) -> str:
        """In a few words."""
        return f"{self.domain}, {self.length} ids of {self.tokenizer.size:,} ({self.tokenizer.name})"

    @property
    def shape(self) -> tuple[int, int, int]:
        """(words, ids of a word, rows of the table): what a network is built for."""
        each = self.tokenizer.per_word
        return (self.length // each, each, self.tokenizer.size)

    @property
    def size(self) -> str:
        """As in ``64 ids``."""
        return f"{self.length} ids"

    @property
    def blank(self) -> Any:
        """One empty text."""
        return np.array([""], object)

    @property
    def plain(self) -> TextContract:
        """What decides the rows, which are texts as they are."""
        return self

    def sized_as(self, other: Any) -> TextContract:
        """What decides the rows for a model of ``other``: they stay the same."""
        return self

    @property
    def sample(self) -> list[int]:
        """The first ids of ``SAMPLE``."""
        ids: list[int] = self.real([SAMPLE])[0, :SAMPLE_IDS].tolist()
        return ids

    def to_dict(self) -> dict[str, Any]:
        """Plain values, small: they go into model files."""
        tokenizer = {"name": self.tokenizer.name, **self.tokenizer.to_dict()}
        return {"length": self.length, "tokenizer": tokenizer, "sample": self.sample}

    def describe(self) -> dict[str, Any]:
        """Plain values with all defaults, for who does not know them."""
        small = self.to_dict()
        fields: dict[str, Any] = asdict(self)["tokenizer"]
        return {"domain": self.domain, **small, "tokenizer": {**fields, **small["tokenizer"]}}

    @property
    def endings(self) -> tuple[str, ...]:
        """Of files that ``read`` reads."""
        return (".txt",)

    def given(self, word: str) -> bytes:
        """What a word of a command line stands for: the file of that name if it is one, else itself.

        Raises:
            OSError: it cannot be read.
        """
        return Path(word).read_bytes() if self.is_file(word) else os.fsencode(word)

    def is_file(self, word: str) -> bool:
        """True for the name of a file; also of one that is missing, if it is called like a file of text."""
        return os.path.isfile(word) or (word.endswith(self.endings) and len(word.split()) == 1)

    def received(self, body: bytes, kind: str) -> bytes:
        """What came over HTTP with a content type: JSON ``{"text": ...}``, or the text alone as text/plain.

        Raises:
            InputError: it is neither.
        """
        if kind.startswith("text/plain"):
            return body
        try:
            text = json.loads(body)["text"]
        except (ValueError, TypeError, KeyError, RecursionError):
            text = None
        if not isinstance(text, str):
            raise InputError('The body is no JSON with a text; send {"text": "..."}, or the text alone as text/plain.')
        return text.encode(errors="replace")

    def read(self, data: bytes, name: str) -> str:
        """UTF-8 as a text.

        Raises:
            InputError: it is none, or has nothing but white space; ``name`` is in the sentence.
        """
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as exc:
            raise InputError(f"{name} is not written in UTF-8; save it as such.") from exc
        if not text.strip():
            raise InputError(f"{name} is empty; write a sentence.")
        return text

    def real(self, texts: Sequence[str]) -> Ids:
        """Texts to int32 [N, length]."""
        return self.tokenizer.encode(texts, self.length)

    def encode(self, texts: Sequence[str], spec: Any, layout: str = "") -> NDArray[np.integer[Any]]:
        """Texts to the bytes that a file's input tensor takes; ``spec`` has its dtype."""
        ids: NDArray[np.integer[Any]] = self.real(texts).astype(spec.dtype)
        return ids

    def tensor_shape(self, layout: str) -> tuple[int, ...]:
        """Of a file's input tensor."""
        return (1, self.length)

    def tensor(self, data: bytes, name: str, spec: Any, layout: str = "") -> NDArray[np.integer[Any]]:
        """UTF-8 as a file's input tensor; see ``read`` and ``encode``."""
        return self.encode([self.read(data, name)], spec)
