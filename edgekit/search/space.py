"""A space of networks: for each argument of a family the values that it may have.

It is data: the table ``[space]`` of a student's card, or the defaults of the user's own factory.

    widths = { from = 8, to = 48, by = 4 }   each entry of the list by itself, in equal steps
    block = ["residual", "inverted"]         one of these
    resolution = [64, 96, 128]               the side of the pictures, where the data can be read at any size
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgekit.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

RESOLUTION = "resolution"
RANGE = ("from", "to", "by")
PLAIN = (int, float, str, type(None))
"""What a study can hold; booleans are whole numbers."""
Values = Mapping[str, Any]
"""A value for each axis of a space."""


@dataclass(frozen=True)
class Axis:
    """An argument, or the entry ``place`` of one that is a list, and its values."""

    argument: str
    values: tuple[Any, ...]
    place: int | None = None

    @property
    def name(self) -> str:
        """What it is called in a study."""
        return self.argument if self.place is None else f"{self.argument}[{self.place}]"

    @property
    def are_numbers(self) -> bool:
        """Whether more and less mean something."""
        return all(type(value) in (int, float) for value in self.values)

    @property
    def distribution(self) -> BaseDistribution:
        """The same for Optuna, which may then see an order in equal steps."""
        from optuna.distributions import CategoricalDistribution, IntDistribution

        steps = {after - before for before, after in itertools.pairwise(self.values)} if self.are_numbers else set()
        if len(steps) == 1 and all(isinstance(value, int) for value in self.values):
            return IntDistribution(self.values[0], self.values[-1], step=steps.pop())
        return CategoricalDistribution(self.values)


@dataclass(frozen=True)
class Space:
    """The axes, in the order of the table."""

    axes: tuple[Axis, ...]

    @classmethod
    def of(cls, table: Mapping[str, Any], usual: Mapping[str, Any], source: str) -> Space:
        """Read a table; ``usual`` are all arguments of the family with the values that they have otherwise.

        Raises:
            UnknownNameError: the family has no such argument.
            UsageError: an argument has no values.
        """
        axes: list[Axis] = []
        for argument, given in table.items():
            if argument not in (*usual, RESOLUTION):
                raise UnknownNameError(f"argument in {source}", argument, (*usual, RESOLUTION))
            values, own = _values(given, f"{argument} in {source}"), usual.get(argument)
            is_list = isinstance(own, list | tuple)
            places: Sequence[int | None] = range(len(own)) if is_list and own is not None else [None]
            axes += [Axis(argument, values, place) for place in places]
        return cls(tuple(axes))

    def without(self, argument: str) -> Space:
        """The space where one argument is as usual."""
        return Space(tuple(axis for axis in self.axes if axis.argument != argument))

    def arguments(self, values: Values) -> dict[str, Any]:
        """The arguments that the values of all axes make."""
        found: dict[str, Any] = {}
        for axis in self.axes:
            value = values[axis.name]
            if axis.place is None:
                found[axis.argument] = value
            else:
                found.setdefault(axis.argument, []).append(value)
        return found

    def values(self, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
        """The values that make these arguments; None if they are not in the space."""
        found = {}
        for axis in self.axes:
            value = arguments.get(axis.argument)
            if axis.place is not None and isinstance(value, list | tuple):
                value = value[axis.place]
            if value not in axis.values:
                return None
            found[axis.name] = value
        return found

    def least(self) -> Iterator[Values]:
        """Where the smallest networks are: every number as small as it may be, with each choice of what is none."""
        picked = [axis.values[:1] if axis.are_numbers else axis.values for axis in self.axes]
        for values in itertools.product(*picked):
            yield {axis.name: value for axis, value in zip(self.axes, values, strict=True)}


def _values(given: Any, what: str) -> tuple[Any, ...]:
    if isinstance(given, Mapping):
        if unknown := [key for key in given if key not in RANGE]:
            raise UnknownNameError(f"key of {what}", unknown[0], RANGE)
        try:
            given = range(given["from"], given["to"] + 1, given.get("by", 1))
        except (KeyError, TypeError, ValueError) as exc:
            raise UsageError(f"{what} needs whole numbers as in {{ from = 8, to = 48, by = 4 }}.") from exc
    if not isinstance(given, list | tuple | range) or not given:
        raise UsageError(f"{what} has no values; give a list of them, or {{ from = 8, to = 48, by = 4 }}.")
    if strange := [value for value in given if not isinstance(value, PLAIN)]:
        raise UsageError(
            f"{what} cannot be {strange[0]!r}; give it a name: values are numbers, texts, booleans or None."
        )
    values = tuple(dict.fromkeys(given))
    return tuple(sorted(values)) if all(type(value) in (int, float) for value in values) else values
