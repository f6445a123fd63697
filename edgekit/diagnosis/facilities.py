"""What not every command needs, as a doctor finds it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgekit.console import Part, Table


@dataclass(frozen=True)
class Facility:
    """What not every command needs: what is ``found`` of it, what is ``missing``, and how that comes (``run``).

    Where it is both found and missing, a part of it is there.
    """

    name: str
    purpose: str
    found: str = ""
    missing: str = ""
    run: str = ""


def shown(facilities: Sequence[Facility]) -> Iterator[Part]:
    """What is there, and what is missing for what, with what brings it."""
    yield Table("here", (), [(one.name, one.found) for one in facilities if one.found])
    lacking = [one for one in facilities if one.missing]
    if lacking:
        yield Table("missing", (), [(one.name, f"{one.missing}, for {one.purpose}: {one.run}") for one in lacking])
    else:
        yield "Nothing is missing."
