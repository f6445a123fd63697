"""A space is data: what its table says, and the networks that are in it."""

from __future__ import annotations

import pytest

from edgekit import catalog
from edgekit.catalog import Architecture
from edgekit.errors import UnknownNameError, UsageError
from edgekit.search.space import Axis, Space
from edgekit.zoo import arguments_of, build

USUAL = {"widths": (16, 32), "block": "inverted", "kernel": 3}


def test_each_entry_of_a_list_is_an_axis_of_its_own() -> None:
    space = Space.of({"widths": {"from": 8, "to": 24, "by": 8}, "block": ["residual", "inverted"]}, USUAL, "card")
    assert space.axes == (
        Axis("widths", (8, 16, 24), 0),
        Axis("widths", (8, 16, 24), 1),
        Axis("block", ("residual", "inverted")),
    )
    values = {"widths[0]": 8, "widths[1]": 24, "block": "residual"}
    assert space.arguments(values) == {"widths": [8, 24], "block": "residual"}
    assert space.values({"widths": [8, 24], "block": "residual", "kernel": 3}) == values


def test_a_network_outside_has_no_values() -> None:
    space = Space.of({"kernel": [3, 5]}, USUAL, "card")
    assert space.values({"kernel": 7}) is None
    assert space.values({}) is None


def test_the_smallest_networks_have_every_number_at_its_least() -> None:
    space = Space.of({"kernel": [5, 3, 5], "block": ["residual", True, None]}, USUAL, "card")
    assert list(space.least()) == [{"kernel": 3, "block": choice} for choice in ("residual", True, None)]


@pytest.mark.parametrize(
    ("table", "error", "message"),
    [
        ({"kernels": [3]}, UnknownNameError, "did you mean 'kernel'"),
        ({"kernel": {"from": 3, "until": 5}}, UnknownNameError, "'until'"),
        ({"kernel": {"from": 3}}, UsageError, "whole numbers"),
        ({"kernel": {"from": 5, "to": 3}}, UsageError, "no values"),
        ({"kernel": 3}, UsageError, "no values"),
        ({"kernel": [(3, 3), (5, 5)]}, UsageError, r"cannot be \(3, 3\); give it a name"),
    ],
)
def test_a_wrong_table_is_refused(table: dict[str, object], error: type[UsageError], message: str) -> None:
    with pytest.raises(error, match=message):
        Space.of(table, USUAL, "card")


@pytest.mark.parametrize(
    "name", [name for name in catalog.names("students") if catalog.network_card("students", name).space]
)
def test_the_ends_of_every_cards_space_are_networks(name: str) -> None:
    card = catalog.network_card("students", name)
    usual = arguments_of(card.architecture)
    space = Space.of(card.space, usual, name).without("resolution")
    for end in (0, -1):
        found = space.arguments({axis.name: axis.values[end] for axis in space.axes})
        build(Architecture(card.architecture.name, {**card.architecture.arguments, **found}), card.contract.shape, 3)
