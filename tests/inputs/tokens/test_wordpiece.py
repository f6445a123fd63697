"""WordPiece: BERT's words and pieces, held to the library that BERTs are trained with."""

from __future__ import annotations

import random
import unicodedata

import pytest

from edgekit.inputs.error import InputError
from edgekit.inputs.tokens.wordpiece import WordPiece, from_dict

VOCABULARY = (
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "un", "##aff", "##able", "##a", "##ff", "film", "the", "!", "'", "我", "σ"),
    *"abcdefghijklmnopqrstuvwxyz",
    *(f"##{letter}" for letter in "bcdefghijklmnopqrstuvwxyzσ"),
)


def test_a_word_is_the_longest_pieces_that_are_known() -> None:
    ids = WordPiece(VOCABULARY).encode(["Unaffable FILM! naïve 我我", "🙂"], 16).tolist()
    pieces = [[VOCABULARY[number] for number in row] for row in ids]
    naive = ["n", "##a", "##i", "##v", "##e"]
    assert pieces[0] == ["[CLS]", "un", "##aff", "##able", "film", "!", *naive, "我", "我", "[SEP]", "[PAD]", "[PAD]"]
    assert pieces[1] == ["[CLS]", "[UNK]", "[SEP]", *["[PAD]"] * 13]


def test_what_has_no_place_is_left_out() -> None:
    assert WordPiece(VOCABULARY).encode(["film " * 50], 4).tolist() == [[2, 9, 9, 3]]


def test_a_word_of_more_than_a_hundred_letters_is_unknown() -> None:
    assert WordPiece(VOCABULARY).encode(["a" * 101], 4).tolist() == [[2, 1, 3, 0]]


@pytest.mark.parametrize("cased", [False, True])
def test_ids_are_those_of_the_library(cased: bool) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    library = tokenizers.BertWordPieceTokenizer(
        {piece: number for number, piece in enumerate(VOCABULARY)}, lowercase=not cased
    )
    own, chance = WordPiece(VOCABULARY, cased), random.Random(0)
    # Its tables are of another Unicode than Python's: what is new or has become something else is left out.
    old = unicodedata.ucd_3_2_0.category
    known = [char for char in map(chr, range(0x3400)) if old(char) == unicodedata.category(char) != "Cn"]
    for _ in range(2000):
        text = "".join(chance.choice(known if chance.random() < 0.3 else "aAbσΣé ffilm!'") for _ in range(20))
        expected = library.encode(text).ids
        assert own.encode([text], 64)[0, : len(expected)].tolist() == expected, ascii(text)


def test_a_vocabulary_of_another_sha256_is_refused() -> None:
    values = WordPiece(VOCABULARY).to_dict()
    assert from_dict(values) == WordPiece(VOCABULARY)
    with pytest.raises(InputError, match="sha256"):
        from_dict({**values, "vocabulary": values["vocabulary"].replace("film", "movie")})


@pytest.mark.parametrize("vocabulary", [("[PAD]", "a"), (*VOCABULARY, "film"), VOCABULARY[::-1]])
def test_a_vocabulary_that_is_none_is_refused(vocabulary: tuple[str, ...]) -> None:
    with pytest.raises(InputError):
        WordPiece(vocabulary)
