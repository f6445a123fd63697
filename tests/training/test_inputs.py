from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.inputs.contract import InputContract
from edgekit.inputs.text import TextContract
from edgekit.inputs.tokens.wordpiece import WordPiece
from edgekit.training.inputs import Inputs, in_order

CONTRACT = TextContract(32, WordPiece(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b")))


def texts(count: int) -> np.ndarray:
    """Of 0 to 29 words at random."""
    words = np.random.default_rng(count).integers(0, 30, count)
    return np.array(["a " * number for number in words], object)


def inputs(rows: np.ndarray) -> Inputs:
    return Inputs(len(rows), rows.__getitem__, CONTRACT)


@given(st.integers(1, 50), st.integers(1, 20))
def test_what_is_found_of_blocks_comes_back_in_the_order_of_the_texts(count: int, size: int) -> None:
    given_texts = inputs(texts(count))
    blocks = list(given_texts.blocks(size))
    assert max(map(len, blocks)) <= size
    found = in_order(blocks, [given_texts[rows] for rows in blocks])
    np.testing.assert_array_equal(found, CONTRACT.real(texts(count)))


def test_blocks_of_texts_are_from_short_to_long_and_those_of_pictures_as_they_are() -> None:
    ids = inputs(texts(40))
    lengths = [np.count_nonzero(ids[rows], 1) for rows in ids.blocks(8)]
    assert (np.diff(np.concatenate(lengths)) >= 0).all()
    pictures = np.zeros((5, 2, 3, 1), np.uint8)
    given_pictures = Inputs(5, pictures.__getitem__, InputContract(2, 3, 1))
    assert [rows.tolist() for rows in given_pictures.blocks(2)] == [[0, 1], [2, 3], [4]]
    assert given_pictures[np.array([1, 2])].shape == (2, 1, 2, 3)


def test_an_epoch_has_each_text_once_in_batches_of_like_length_at_random() -> None:
    ids = inputs(texts(4000))
    batches = ids.shuffled(16, np.random.default_rng(0))
    assert batches.shape == (250, 16)
    assert len(np.unique(batches)) == 4000
    lengths = np.count_nonzero(ids[batches.reshape(-1)], 1).reshape(250, 16)
    assert np.ptp(lengths, axis=1).mean() < 1
    assert np.ptp(lengths[:5].max(1)) > 5
    assert (batches != ids.shuffled(16, np.random.default_rng(1))).any()


@pytest.mark.parametrize("count", [16, 31])
def test_rows_that_fill_no_batch_are_left_out(count: int) -> None:
    assert inputs(texts(count)).shuffled(16, np.random.default_rng(0)).shape == (1, 16)
