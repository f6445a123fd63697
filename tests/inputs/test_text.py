"""The contract of a model of text, as it travels in a file."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edgekit.artifact import Metadata
from edgekit.errors import ModelError
from edgekit.inputs.described import read_contract
from edgekit.inputs.error import InputError
from edgekit.inputs.text import TextContract
from edgekit.inputs.tokens import tokenizers
from edgekit.inputs.tokens.ngrams import Ngrams
from edgekit.inputs.tokens.wordpiece import WordPiece

SMALL = WordPiece(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "it", "'", "s", "a"))
CONTRACTS = [TextContract(64, Ngrams()), TextContract(20, Ngrams(500, 1, (), 1)), TextContract(16, SMALL)]


@pytest.mark.parametrize("contract", CONTRACTS)
def test_it_travels_as_json(contract: TextContract) -> None:
    for values in (contract.to_dict(), contract.describe()):
        assert read_contract(json.loads(json.dumps(values))) == contract
    described = Metadata(contract, ("bad", "good"))
    assert Metadata.from_json(described.to_json(), "a.tflite") == described


def test_it_is_small() -> None:
    assert len(json.dumps(CONTRACTS[0].to_dict(), separators=(",", ":"))) < 150


def test_it_is_no_contract_of_pictures() -> None:
    assert Metadata(CONTRACTS[0]).pictures is None


@pytest.mark.parametrize(
    "changed",
    [
        {"length": 63},
        {"length": 0},
        {"sample": [1, 2]},
        {"tokenizer": {"name": "ngrams", "buckets": 99}},
        {"tokenizer": {"name": "ngram"}},
        {"tokenizer": {"name": "../ngrams"}},
        {"tokenizer": {"name": "ngrams", "bucket": 1}},
        {"tokenizer": 7},
    ],
)
def test_a_file_with_an_impossible_one_is_refused(changed: dict[str, Any]) -> None:
    values = {**CONTRACTS[0].to_dict(), **changed}
    with pytest.raises(ModelError, match=r"^a\.tflite has an (impossible|unreadable)"):
        Metadata.from_json(json.dumps({"contract": values}), "a.tflite")


def test_an_unknown_tokenizer_names_the_nearest() -> None:
    assert set(tokenizers()) == {"ngrams", "wordpiece"}
    with pytest.raises(InputError, match="did you mean 'ngrams'"):
        read_contract({**CONTRACTS[0].to_dict(), "tokenizer": {"name": "ngram"}})


def test_bytes_become_a_tensor() -> None:
    spec = SimpleNamespace(dtype="int64")
    ids = CONTRACTS[0].tensor("\ufeffBon film".encode(), "a.txt", spec)
    assert ids.shape == (1, 64)
    assert ids.dtype == "int64"
    assert (ids == CONTRACTS[0].real(["Bon film"])).all()


@pytest.mark.parametrize(("data", "wrong"), [(b"\xff\xfe", "UTF-8"), (b" \n", "empty"), (b"", "empty")])
def test_what_is_no_sentence_is_refused_by_name(data: bytes, wrong: str) -> None:
    with pytest.raises(InputError, match=rf"^a\.txt .*{wrong}"):
        CONTRACTS[0].read(data, "a.txt")


def test_a_word_is_a_text_unless_it_is_a_file_or_called_like_one(tmp_path: Path) -> None:
    contract = CONTRACTS[0]
    written = tmp_path / "review"
    written.write_bytes(b"never dull")
    assert contract.given(str(written)) == b"never dull"
    assert contract.given("charming") == b"charming"
    assert contract.given("see notes.txt") == b"see notes.txt"
    with pytest.raises(FileNotFoundError):
        contract.given("revew.txt")
