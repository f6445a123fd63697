"""What is needed at the same time lies apart; the rest shares its bytes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edgekit.conversion.c.arena import Arena, Block, placed, plan
from edgekit.operators.lowered import ModelRecord, OperatorRecord, TensorRecord

BLOCKS = st.builds(
    lambda size, first, length: Block(size, first, first + length),
    st.integers(1, 100),
    st.integers(0, 9),
    st.integers(0, 4),
)


@given(st.lists(BLOCKS, max_size=12))
def test_blocks_that_are_needed_together_are_apart(blocks: list[Block]) -> None:
    spans = [(offset, offset + block.size) for offset, block in zip(placed(blocks), blocks, strict=True)]
    for number, block in enumerate(blocks):
        for other in range(number):
            together = block.first <= blocks[other].last and blocks[other].first <= block.last
            assert not together or spans[number][0] >= spans[other][1] or spans[other][0] >= spans[number][1]


def model(*operators: tuple[str, tuple[int, ...], int], sizes: tuple[int, ...]) -> ModelRecord:
    """Tensors of these sizes; the first is the input, the last the output."""
    tensors = [TensorRecord((size,), "int8") for size in sizes]
    records = [OperatorRecord(code, inputs, (target,)) for code, inputs, target in operators]
    return ModelRecord(tensors, records, [0], [len(sizes) - 1])


def test_a_chain_needs_its_two_largest_neighbours() -> None:
    chain = model(*(("CONV_2D", (index,), index + 1) for index in range(4)), sizes=(9, 40, 30, 20, 9))
    assert plan(chain) == Arena(70, 1, {1: 0, 2: 40, 3: 0})


def test_a_sum_takes_the_place_of_an_operand_that_nobody_else_reads() -> None:
    shortcut = model(
        ("CONV_2D", (0,), 1), ("CONV_2D", (1,), 2), ("ADD", (1, 2), 3), ("CONV_2D", (3,), 4), sizes=(9, 20, 20, 20, 9)
    )
    assert plan(shortcut) == Arena(40, 1, {1: 0, 2: 20, 3: 0})


def test_a_sum_leaves_an_operand_that_is_read_later() -> None:
    read_again = model(
        ("CONV_2D", (0,), 1), ("ADD", (1, 1), 2), ("ADD", (2, 1), 3), ("CONV_2D", (3,), 4), sizes=(9, 20, 20, 20, 9)
    )
    assert plan(read_again) == Arena(40, 1, {1: 0, 2: 20, 3: 20})


def test_a_reshape_moves_nothing_and_keeps_what_it_names() -> None:
    reshaped = model(
        ("CONV_2D", (0,), 1), ("RESHAPE", (1,), 2), ("ADD", (1, 1), 3), ("ADD", (2, 3), 4), ("CONV_2D", (4,), 5),
        sizes=(9, 20, 20, 20, 20, 9),
    )  # fmt: skip
    arena = plan(reshaped)
    assert arena.offsets[1] == arena.offsets[2] != arena.offsets[3]
    assert arena.size == 40
