"""The page's tokenizers make the ids that Python's make."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import unicodedata
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from required import skip_unless_required

from edgekit.inputs.text import SAMPLE, TextContract
from edgekit.inputs.tokens.ngrams import Ngrams
from edgekit.inputs.tokens.wordpiece import WordPiece
from edgekit.web.page_files import PAGE

SENTENCES = 10_000
WORDS = (
    *("it's", "a", "charming", ",", "naïve", "—", "and", "NEVER", "dull", "journey", "don't", "miss", "IT", "!"),
    *("Été", "ΣΊΣΥΦΟΣ", "Ёлка", "ｆｕｌｌ", "İzmir", "ok😀", "👍🏽", "我喜欢", "e\u0301", "\t"),
)
VOCABULARY = (
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "it", "never", "##er", "journey", "miss", "我", "σ", "##ς", "##σ", "!", "'"),
    *"abcdefghijklmnopqrstuvwxyz",
    *(f"##{letter}" for letter in "abcdfghijklmnopqrstuvwxyz"),
)
SCRIPT = """
import {encoder} from "./preprocess.js";
import {readFileSync} from "node:fs";
const {contract, texts} = JSON.parse(readFileSync(0, "utf8"));
process.stdout.write(texts.map(encoder({contract})).map((ids) => ids.join(" ")).join("\\n"));
"""

Encode = Callable[[TextContract, Sequence[str]], NDArray[np.int32]]


@pytest.fixture(scope="module")
def javascript(tmp_path_factory: pytest.TempPathFactory) -> Encode:
    """What the page's encoder makes of texts."""
    node = shutil.which("node")
    if node is None:
        skip_unless_required("no Node.js here")
    folder = tmp_path_factory.mktemp("page")
    for name in ("preprocess.js", "ngrams.js", "wordpiece.js"):
        shutil.copy(PAGE / "text" / name, folder)
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "main.js").write_text(SCRIPT)

    def encode(contract: TextContract, texts: Sequence[str]) -> NDArray[np.int32]:
        given = json.dumps({"contract": contract.describe(), "texts": texts})
        done = subprocess.run(
            [node, "main.js"], input=given, cwd=folder, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        return np.array([line.split() for line in done.stdout.split("\n")], np.int32)

    return encode


def sentences(characters: Sequence[str]) -> list[str]:
    """Words of several scripts, mixed with any characters; empty ones, white ones, and some of 10,000 characters."""
    chance = random.Random(0)
    made = ["", " \n\t ", "\u3000", "a" * 10_000, "it's fine " * 1000, "😀" * 10_000, SAMPLE]
    while len(made) < SENTENCES:
        words = chance.choices(WORDS, k=chance.randrange(12))
        for _ in range(chance.choice((0, 0, 1, 5))):
            words.insert(
                chance.randrange(len(words) + 1), "".join(chance.choices(characters, k=chance.randrange(1, 6)))
            )
        made.append(chance.choice((" ", " ", "")).join(words))
    return made


@pytest.mark.parametrize("tokenizer", [Ngrams(), Ngrams(1 << 24, 3, (1, 2, 5), 9), Ngrams(500, 1, (), 1)])
def test_ngrams(javascript: Encode, tokenizer: Ngrams) -> None:
    contract = TextContract(18 * tokenizer.per_word, tokenizer)
    texts = sentences([chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000])
    np.testing.assert_array_equal(javascript(contract, texts), contract.real(texts))


def test_ngrams_of_every_code_point(javascript: Encode) -> None:
    contract = TextContract(96, Ngrams(1 << 24, 1, (), 1))
    texts = [" ".join(f"a{chr(code)}b" for code in range(start, start + 32)) for start in range(0, 0x110000, 32)]
    np.testing.assert_array_equal(javascript(contract, texts), contract.real(texts))


@pytest.mark.parametrize("cased", [False, True])
def test_wordpiece(javascript: Encode, cased: bool) -> None:
    contract = TextContract(40, WordPiece(VOCABULARY, cased))
    old = unicodedata.ucd_3_2_0.category
    stable = [char for char in map(chr, range(0x110000)) if old(char) == unicodedata.category(char) not in ("Cn", "Cs")]
    texts = sentences(stable)
    np.testing.assert_array_equal(javascript(contract, texts), contract.real(texts))


def test_a_page_whose_ids_are_others_says_so(javascript: Encode) -> None:
    class Other(TextContract):
        @property
        def sample(self) -> list[int]:
            return [7]

    with pytest.raises(AssertionError, match="deploy it again"):
        javascript(Other(64, Ngrams()), ["a"])
