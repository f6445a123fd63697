"""The rows of a data set as a network is given them: pictures when they are asked for, texts in batches of like length.

The ids of all texts are made at once: they are few, and tell how long each is. Where a tokenizer pads, a batch of
sentences of like length has little padding, which a network need not compute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.inputs.contracts import Contract
from edgekit.inputs.text import TextContract

Indices = NDArray[np.int64]
POOL = 100
"""Batches whose texts are sorted together: enough that they are of like length, few enough that chance remains."""


class Inputs:
    """What a network of ``contract`` is given of ``count`` rows, which ``read`` gives by their indices."""

    def __init__(self, count: int, read: Callable[[Indices], Any], contract: Contract) -> None:
        self.count, self.read, self.contract = count, read, contract
        self.ids = contract.real(read(np.arange(count))) if isinstance(contract, TextContract) else None

    def __getitem__(self, rows: Indices) -> NDArray[Any]:
        """Of pictures real values [n, C, H, W], of texts ids [n, L]."""
        if self.ids is not None:
            return self.ids[rows]
        return np.moveaxis(self.contract.real(self.read(rows)), -1, 1)

    def blocks(self, size: int) -> Iterator[Indices]:
        """All rows, at most ``size`` together: in their order, or from the shortest text to the longest."""
        order = self._by_length(np.arange(self.count))
        for start in range(0, self.count, size):
            yield order[start : start + size]

    def shuffled(self, size: int, rng: np.random.Generator) -> Indices:
        """An epoch's batches [steps, size] in random order; rows that fill no batch are left out."""
        order = rng.permutation(self.count)[: self.count // size * size]
        if self.ids is None:
            return order.reshape(-1, size)
        pools = np.split(order, range(POOL * size, len(order), POOL * size))
        return rng.permutation(np.concatenate([self._by_length(pool) for pool in pools]).reshape(-1, size))

    def _by_length(self, rows: Indices) -> Indices:
        return rows if self.ids is None else rows[np.count_nonzero(self.ids[rows], 1).argsort(kind="stable")]


def in_order(blocks: list[Indices], found: list[NDArray[Any]]) -> NDArray[Any]:
    """What was found of the rows of each block, as an array in the order of the rows."""
    return np.concatenate(found)[np.concatenate(blocks).argsort()]
