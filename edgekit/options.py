"""Options as fields of a verb's record: name, help, default and limits of each stand there and nowhere else.

The command line (``edgekit.cli.derive``) and the Python API are made of these records.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

from edgekit.errors import UnknownNameError, UsageError

KEY, GROUP = "option", "group"
LARGEST_SEED = 2**32 - 1
MODELS = "Files, run folders or students' names."
NEWEST = "the newest run"
MODEL = "A file, a run folder or a student's name."
ANY_SEED = "Seed of everything random."
RAY = "Train on a Ray cluster: HOST:PORT, auto or ray://HOST:PORT."
SOURCES = "mnist, clothes, a folder, .npz, .parquet, .csv, .tsv, .jsonl or module:factory."
MOST_THREADS = 128
"""More take turns on any processor, for minutes."""
SAMPLES = "mnist, clothes, a folder of pictures or .npy files, .npz, .npy, .parquet or module:factory."

R = TypeVar("R", bound="Options")


@dataclass(frozen=True)
class Option:
    """What a field is to a user.

    Attributes:
        help: a sentence or two.
        unset: what is taken in place of a default that says "nothing given".
        metavar: what stands for its value in help; empty for the type's name.
        choices: the values that it may have; empty for any.
        least, most: limits of a number.
        read: from the text, or from a sequence of texts if ``many``, to the value; raises ValueError that says what is
            taken instead.
        many: whether it may be given more than once.
        positional: whether the command line takes it without a name.
    """

    help: str
    unset: str = ""
    metavar: str = ""
    choices: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None
    read: Callable[[Any], Any] | None = None
    many: bool = False
    positional: bool = False


def option(help: str, default: Any = MISSING, **details: Any) -> Any:
    """A field that is an option; ``details`` are attributes of Option."""
    metadata = {KEY: Option(help, **details)}
    if isinstance(default, dict):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


def argument(help: str, default: Any = MISSING, **details: Any) -> Any:
    """A field that the command line takes by its place."""
    return option(help, default, positional=True, **details)


def shape_option() -> Any:
    """The field for sizes of inputs, by name, where a file leaves them open."""
    return option(
        "Size of an input that the model leaves open.", {}, metavar="NAME=1x3x224x224", many=True, read=shapes
    )


def group(record: type[Options], without: tuple[str, ...] = ()) -> Any:
    """A field that is a record of options itself; those named in ``without`` cannot be given here."""
    return field(default_factory=record, metadata={GROUP: without})


class Options:
    """Base of the records: frozen dataclasses that know whether their values are allowed."""

    def __post_init__(self) -> None:
        """Read values that are given as text, as the command line does, and check choices and limits.

        Raises:
            UnknownNameError, UsageError: a value cannot be read, is not among its choices, or is beyond its limits.
        """
        for item in fields(self):  # type: ignore[arg-type]
            if (known := item.metadata.get(KEY)) is not None:
                value = getattr(self, item.name)
                if known.many and isinstance(value, str):
                    value = (value,)
                texts = value if known.many and isinstance(value, list | tuple) else (value,)
                if known.read is not None and all(isinstance(text, str) for text in texts):
                    try:
                        object.__setattr__(self, item.name, known.read(value))
                    except ValueError as exc:
                        raise UsageError(f"{flag_of(item)} takes {exc}.") from exc
                _check(flag_of(item), known, getattr(self, item.name))

    def shared_with(self, record: type[Options]) -> dict[str, Any]:
        """The values of the fields that another record has too, by their names."""
        known = {item.name for item in fields(record)}  # type: ignore[arg-type]
        return {name: value for name, value in vars(self).items() if name in known}


def flag_of(item: Field[Any]) -> str:
    """What a field is called on the command line: its flag, or its name where it is taken by its place."""
    return item.name if item.metadata[KEY].positional else f"--{item.name.replace('_', '-')}"


def _check(flag: str, known: Option, value: Any) -> None:
    if known.choices and value is not None and value not in known.choices:
        raise UnknownNameError(flag if known.positional else f"value of {flag}", value, known.choices)
    low, high = -math.inf if known.least is None else known.least, math.inf if known.most is None else known.most
    if isinstance(value, int | float) and not low <= value <= high:
        limits = f"from {low} to {high}" if known.most is not None else "" if known.least is None else f"at least {low}"
        raise UsageError(f"{flag} {value} is not allowed; give a number {limits}".rstrip() + ".")


@dataclass(frozen=True)
class Place:
    """An option in a record, or in a record that is a field of it (then ``group`` is that field's name)."""

    item: Field[Any]
    hint: Any
    group: str = ""

    @property
    def option(self) -> Option:
        """What the field is to a user."""
        known: Option = self.item.metadata[KEY]
        return known

    @property
    def is_required(self) -> bool:
        """Whether it has no default."""
        return self.item.default is MISSING and self.item.default_factory is MISSING


def places(record: type) -> Iterator[Place]:
    """The options of a record in order, those of its inner records in their place."""
    hints = get_type_hints(record)
    for item in fields(record):
        hint = hints[item.name]
        if KEY in item.metadata:
            yield Place(item, hint)
        elif GROUP in item.metadata:
            inner = (place for place in places(hint) if place.item.name not in item.metadata[GROUP])
            yield from (Place(place.item, place.hint, item.name) for place in inner)


def build(record: type[R], values: Mapping[str, Any]) -> R:
    """The record with the given values by the names of fields, its own or those of inner records.

    Raises:
        UnknownNameError: a name is none of them.
        UsageError: a value is not allowed, or one without a default is missing.
    """
    known = {place.item.name: place for place in places(record)}
    own = {item.name for item in fields(record)}  # type: ignore[arg-type]
    hints = get_type_hints(record)
    direct: dict[str, Any] = {}
    inner: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        place = known.get(name)
        if place is None and name not in own:
            raise UnknownNameError("option", name, {*known, *own})
        if place is not None and isinstance(value, str | list):
            value = _typed(place, value)
        (inner.setdefault(place.group, {}) if place is not None and place.group else direct)[name] = value
    for group, found in inner.items():
        direct[group] = hints[group](**found)
    missing = [name for name, place in known.items() if name not in values and not place.group and place.is_required]
    if missing:
        raise UsageError(f"'{missing[0]}' is missing: {known[missing[0]].option.help}")
    return record(**direct)


def _typed(place: Place, value: str | list[Any]) -> Any:
    """Texts where paths are wanted, and one value or a list of them where there may be many."""
    parts = [value] if isinstance(value, str) else value
    kinds = (place.hint, *get_args(place.hint))
    if Path in kinds and str not in kinds:
        parts = [Path(part) if isinstance(part, str) else part for part in parts]
    return tuple(parts) if place.option.many or isinstance(value, list) else parts[0]


def numbers(text: str) -> tuple[float, ...]:
    """Read numbers separated by commas."""
    try:
        return tuple(map(float, text.split(",")))
    except ValueError as exc:
        raise ValueError(f"numbers separated by commas, not '{text}'") from exc


def names(text: str) -> tuple[str, ...]:
    """Read names separated by commas."""
    return tuple(filter(None, text.split(",")))


def byte_size(text: str) -> int:
    """Read a number of bytes: ``300000``, ``300KB`` or ``0.3 MB`` in units of 1,000, ``293KiB`` in units of 1,024."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(|[km]i?)b?", text.strip().lower())
    if found is None:
        raise ValueError(f"a number of bytes as in 300000, 300KB, 0.3MB or 293KiB, not '{text}'")
    return int(float(found[1]) * {"": 1, "k": 1000, "m": 1000**2, "ki": 1 << 10, "mi": 1 << 20}[found[2]])


def shapes(texts: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Read ``NAME=1x3x224x224`` for each input that has an open size."""
    found = {}
    for text in texts:
        name, _, sizes = text.rpartition("=")
        parts = sizes.split("x")
        if not name or not all(part.isdecimal() and int(part) > 0 for part in parts):
            raise ValueError(f"NAME=SIZES with sizes like 1x3x224x224, not '{text}'")
        found[name] = tuple(map(int, parts))
    return found
