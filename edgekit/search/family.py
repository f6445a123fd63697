"""A family of networks: a student's card with its space, or a factory of the user's own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from edgekit import catalog
from edgekit.catalog import Architecture, NetworkCard
from edgekit.data import Source, holds_photos, open_data
from edgekit.data.factory import load_factory
from edgekit.data.intake import require_pictures
from edgekit.data.reading import Reading
from edgekit.errors import ModelError, UsageError
from edgekit.inputs.contract import InputContract
from edgekit.inputs.contracts import Contract
from edgekit.recipe import TrainRecipe
from edgekit.runtimes.refusal import first_line
from edgekit.search.shrunk import SHRUNK, ShrunkTeacher
from edgekit.search.space import RESOLUTION, Space, Values
from edgekit.training.runs import Structure
from edgekit.zoo import arguments_of, build

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Candidate:
    """A network of a family, not built yet, and the pictures that it takes."""

    architecture: Architecture
    contract: Contract

    def __str__(self) -> str:
        return f"{self.architecture} for {self.contract.size}"

    @property
    def is_shrunk(self) -> bool:
        """Whether it is the teacher with channels taken out."""
        return self.architecture.name == SHRUNK


@dataclass(frozen=True)
class Family:
    """``card`` says how its networks are trained and what they take; ``factory`` builds them where it is no card's.

    ``shrunk`` is the teacher with channels taken out, where that is a point of the space too: of SHRUNK among values.
    """

    card: NetworkCard
    space: Space
    factory: Callable[..., Any] | None = None
    shrunk: ShrunkTeacher | None = None

    def candidate(self, values: Values) -> Candidate:
        """The network with these values."""
        chosen, contract = self.space.arguments(values), self.card.contract
        side = chosen.pop(RESOLUTION, None)
        if side is not None:
            contract = replace(require_pictures(contract, self.card.name), height=side, width=side)
        if values.get(SHRUNK) and self.shrunk is not None:
            return Candidate(Architecture(SHRUNK), self.shrunk.contract(contract))
        usual = {} if self.factory else self.card.architecture.arguments
        return Candidate(Architecture(self.card.architecture.name, {**usual, **chosen}), contract)

    def own(self) -> Values | None:
        """The values of the card's own network; None if there is none, or the space does not have it."""
        if self.factory:
            return None
        return self.space.values({**arguments_of(self.card.architecture), RESOLUTION: self.card.contract.shape[0]})

    def first(self) -> Iterator[Values]:
        """What is looked at before anything is proposed: the card's own network, the teacher with channels taken out.

        The latter has no argument of the family but the size of its pictures; a sampler never draws it.
        """
        own = self.own()
        if own is not None:
            yield own
        if self.shrunk is not None:
            usual = own or next(iter(self.space.least()))
            sides = next((axis.values for axis in self.space.axes if axis.argument == RESOLUTION), ())
            yield from ({**usual, RESOLUTION: side, SHRUNK: True} for side in sides)
            if not sides:
                yield {**usual, SHRUNK: True}

    def structure(self, candidate: Candidate) -> Structure | None:
        """What a candidate can be built as again from its weights; None for a module of the user's own."""
        if candidate.is_shrunk and self.shrunk is not None:
            return self.shrunk.teacher.structure
        return None if self.factory else Structure(candidate.architecture, candidate.contract.shape)

    def build(self, candidate: Candidate, classes: int) -> nn.Module:
        """A fresh network.

        Raises:
            ModelError: the user's factory fails, or gives no network; the teacher cannot be cut so far.
        """
        if candidate.is_shrunk:
            assert self.shrunk is not None
            return self.shrunk.network(candidate.contract)
        if self.factory is None:
            return build(candidate.architecture, candidate.contract.shape, classes)
        from torch import nn

        try:
            network = self.factory(candidate.contract.shape, classes, **candidate.architecture.arguments)
        except Exception as exc:  # the user's own code raises what it likes
            raise ModelError(f"{self.card.name} failed with {type(exc).__name__}: {first_line(exc)}.") from exc
        if not isinstance(network, nn.Module):
            raise ModelError(f"{self.card.name} returned a {type(network).__name__}; return a torch.nn.Module.")
        return network


def open_family(student: str, source: Source, reading: Reading) -> Family:
    """The family of a student of the catalog, or of ``module:factory``, for data.

    A factory takes the shape (H, W, C) of an image, the number of classes, and parameters whose defaults are what they
    may be: ``def family(shape, classes, width=range(8, 65, 8), kernel=(3, 5))``.

    Raises:
        UnknownNameError: there is no such student, or its space has an argument that its family has not.
        UsageError: it has no space.
    """
    if ":" in student:
        factory = load_factory(student, UsageError)
        choices = dict(list(inspect.signature(factory).parameters.items())[2:])
        table = {name: parameter.default for name, parameter in choices.items()}
        usual: dict[str, Any] = dict.fromkeys(table)
        contract = InputContract(*open_data(source, reading=reading).image_shape)
        card = NetworkCard.made_up(student, student.rpartition(":")[2], contract, TrainRecipe())
    else:
        factory, card = None, catalog.network_card("students", student)
        table, usual = dict(card.space), arguments_of(card.architecture)
    if not table:
        known = [name for name in catalog.names("students") if catalog.network_card("students", name).space]
        raise UsageError(f"The student {student} has no space to search; those that have one: {', '.join(known)}.")
    space = Space.of(table, usual, f"the space of {student}")
    return Family(card, space if holds_photos(source) else space.without(RESOLUTION), factory)
