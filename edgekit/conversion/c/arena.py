"""Where the tensors between operators lie in one array of bytes: those that are never needed together share places."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgekit.operators.lowered import ModelRecord, TensorRecord

SAME_VALUES = "RESHAPE"
IN_PLACE = ("ADD", "SUB", "MUL")
"""Operators that may write each value where they read it."""


@dataclass(frozen=True)
class Block:
    """So many bytes, needed from one operator to another, both included."""

    size: int
    first: int
    last: int


@dataclass(frozen=True)
class Arena:
    """The byte at which each tensor begins, by its index, a multiple of ``unit``, and how many bytes there are."""

    size: int
    unit: int
    offsets: Mapping[int, int]


def plan(model: ModelRecord) -> Arena:
    """Place all tensors that are neither constants nor the caller's: inputs and outputs of the model."""
    callers = {*model.inputs, *model.outputs}
    shared = {index for operator in model.operators for index in operator.outputs} - callers
    unit = max((np.dtype(model.tensors[index].dtype).itemsize for index in shared), default=1)
    last = {index: number for number, item in enumerate(model.operators) for index in item.inputs}
    homes: dict[int, int] = {}
    blocks: dict[int, Block] = {}
    for number, operator in enumerate(model.operators):
        (target,) = operator.outputs
        if target in callers:
            continue
        size, until = -(-byte_size(model.tensors[target]) // unit) * unit, last.get(target, number)
        home = next((homes[index] for index in operator.inputs if index in homes and _is_shared(
            operator.code, blocks[homes[index]], size, number)), target)  # fmt: skip
        homes[target] = home
        block = blocks.get(home, Block(size, number, until))
        blocks[home] = replace(block, last=max(block.last, until))
    places = dict(zip(blocks, placed(list(blocks.values())), strict=True))
    end = max((places[home] + block.size for home, block in blocks.items()), default=0)
    return Arena(end, unit, {index: places[home] for index, home in homes.items()})


def placed(blocks: Sequence[Block]) -> list[int]:
    """Where each block begins: the largest first, each as low as those that are needed with it let it."""
    offsets: dict[int, int] = {}
    for number in sorted(range(len(blocks)), key=lambda index: (-blocks[index].size, blocks[index].first)):
        block, offset = blocks[number], 0
        meeting = [
            other for other in offsets if blocks[other].first <= block.last and block.first <= blocks[other].last
        ]
        for other in sorted(meeting, key=offsets.__getitem__):
            if offset + block.size <= offsets[other]:
                break
            offset = max(offset, offsets[other] + blocks[other].size)
        offsets[number] = offset
    return [offsets[number] for number in range(len(blocks))]


def byte_size(tensor: TensorRecord) -> int:
    """The bytes of a tensor."""
    return math.prod(tensor.shape) * np.dtype(tensor.dtype).itemsize


def _is_shared(code: str, source: Block, size: int, number: int) -> bool:
    """True if the result of operator ``number`` may lie where what it reads does."""
    return code == SAME_VALUES or (code in IN_PLACE and source.size == size and source.last == number)
