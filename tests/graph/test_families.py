from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edgekit.graph.families import Families

COUNT = 8
PAIRS = st.lists(st.tuples(st.integers(0, COUNT - 1), st.integers(0, COUNT - 1)))


@given(PAIRS)
def test_two_members_have_one_head_if_a_chain_of_pairs_joins_them(pairs: list[tuple[int, int]]) -> None:
    families = Families(range(COUNT))
    together = [{member} for member in range(COUNT)]
    for one, other in pairs:
        families.join(one, other)
        joined = together[one] | together[other]
        for member in joined:
            together[member] = joined
    for one in families:
        assert {other for other in families if families.head(other) == families.head(one)} == together[one]


def test_the_head_of_the_first_is_the_head_of_both() -> None:
    families = Families("abcd")
    families.join("b", "a")
    families.join("c", "d")
    families.join("c", "a")
    assert {families.head(member) for member in "abcd"} == {"c"}
    assert "e" not in families
