"""Hashed n-grams: which words a text has, what their ids are, and that no place is left empty."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest

from edgekit.inputs.error import InputError
from edgekit.inputs.tokens.ngrams import LATIN, Ngrams, fnv1a, folded, from_dict, words_of


@pytest.mark.parametrize(
    ("data", "value"), [(b"", 0x811C9DC5), (b"a", 0xE40C292C), (b"foobar", 0xBF9CF968)]
)  # as its authors publish them
def test_the_hash_is_fnv1a(data: bytes, value: int) -> None:
    assert fnv1a(data) == value


def test_latin_letters_are_small_and_without_accents_where_unicode_says_so() -> None:
    letters = [chr(code) for code in range(0xC0, 0xC0 + len(LATIN))]
    assert list(LATIN) == [unicodedata.normalize("NFD", letter.lower())[0] for letter in letters]
    assert letters[-1] == "ſ"


@pytest.mark.parametrize(
    ("first", "last"), [(0x386, 0x3AB), (0x400, 0x481), (0x48A, 0x4BF), (0x4D0, 0x556), (0x1EA0, 0x1EFF)]
)
def test_letters_become_small_as_unicode_has_them(first: int, last: int) -> None:
    text = "".join(chr(code) for code in range(first, last + 1) if unicodedata.category(chr(code)) == "Lu")
    assert folded(text) == text.lower()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It's GREAT!", ["it", "'s", "great", "!"]),
        ("I don't, he doesn’t; they do n't", ["i", "do", "n't", ",", "he", "does", "n't", ";", "they", "do", "n't"]),
        ("café cafe\u0301 CAFÉ", ["cafe", "cafe", "cafe"]),
        ("ｆｉｎｅ１", ["fine1"]),
        ("so good😀👍🏽", ["so", "good", "😀", "👍", "🏽"]),
        ("我喜欢 кино", ["我", "喜", "欢", "кино"]),
        ("don'ts 'tis", ["don", "'", "ts", "'", "tis"]),
        (" \t\n\u3000\u200b", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert words_of(text) == words


def test_ids_are_those_that_the_definition_says() -> None:
    ids = Ngrams(1000, 2, (3,), 5).encode(["Ab ab"], 10)[0].reshape(2, 5)
    word = fnv1a(b"ab")

    def of_pair(before: int) -> int:
        value = word
        for byte in before.to_bytes(4, "little"):
            value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
        return value

    pieces = [fnv1a(b"\x01<ab"), fnv1a(b"\x01<ab"), fnv1a(b"\x01ab>")]
    assert ids.tolist() == [[1 + value % 999 for value in (word, of_pair(before), *pieces)] for before in (0, word)]


def test_a_text_begins_again_until_all_places_are_filled() -> None:
    tokenizer = Ngrams(4096, 1, (), 1)
    ids = tokenizer.encode(["one two three", "", "one"], 8)
    one, two, three = tokenizer.encode(["one", "two", "three"], 8)[:, 0]
    assert ids.tolist() == [[one, two, three, one, two, three, one, two], [0] * 8, [one] * 8]


def test_of_a_long_text_the_first_words_are_taken() -> None:
    tokenizer = Ngrams()
    long = " ".join(f"word{number}" for number in range(500))
    assert (tokenizer.encode([long], 64) == tokenizer.encode([" ".join(long.split()[:8])], 64)).all()


def test_a_text_has_the_same_ids_alone_and_among_others() -> None:
    texts = ["a fine film", "", "😀", "x" * 10_000, "it is n't bad", "a fine film , a fine cast"]
    tokenizer = Ngrams(2048, 3, (2, 3, 5), 9)
    together = tokenizer.encode(texts, 90)
    assert together.dtype == np.int32
    assert together.max() < tokenizer.size
    assert (together == np.concatenate([tokenizer.encode([text], 90) for text in texts])).all()


@pytest.mark.parametrize("values", [{"buckets": 1}, {"words": 9}, {"chars": ()}, {"per_word": 2}, {"chars": (0,)}])
def test_impossible_numbers_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(InputError):
        from_dict(values)
