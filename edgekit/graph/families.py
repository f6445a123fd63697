"""Things that belong together, found pair by pair: a union-find."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import Generic, TypeVar

Member = TypeVar("Member", bound=Hashable)


class Families(Generic[Member]):
    """Members that are joined into families, each known by the member at its head. At first each is its own."""

    def __init__(self, members: Iterable[Member]) -> None:
        self._above = {member: member for member in members}

    def __contains__(self, member: object) -> bool:
        return member in self._above

    def __iter__(self) -> Iterator[Member]:
        return iter(self._above)

    def head(self, member: Member) -> Member:
        """The head of a member's family."""
        above = self._above
        while above[member] != member:
            above[member] = member = above[above[member]]
        return member

    def join(self, one: Member, other: Member) -> None:
        """Put the family of ``other`` under the head of ``one``."""
        self._above[self.head(other)] = self.head(one)
