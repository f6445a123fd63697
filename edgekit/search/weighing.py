"""A candidate built and weighed: what it costs is known before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

from edgekit.errors import EdgekitError, ModelError, RuntimeCrashError, UsageError
from edgekit.files import sha256_bytes
from edgekit.operators.weight_scheme import EIGHT_BITS, WeightScheme
from edgekit.quantization.untrained import untrained_int8
from edgekit.runtimes.refusal import first_line
from edgekit.search.costs import Costs, Gauge
from edgekit.search.family import Candidate, Family
from edgekit.search.school import School
from edgekit.search.space import Values

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Weighed:
    """A candidate, its fresh network, its costs, and a ``key`` that only the same network has.

    A module's text says nothing of what its ``forward`` does, and a file nothing of dropout: the key is of both.
    """

    candidate: Candidate
    network: nn.Module
    costs: Costs
    key: str


@dataclass(frozen=True)
class Scales:
    """What candidates of a family are weighed with, one at a time: torch's chance and tracer are the process's."""

    family: Family
    school: School
    gauge: Gauge
    weights: WeightScheme = EIGHT_BITS
    _one: Lock = field(default_factory=Lock)

    def weigh(self, values: Values, classes: Sequence[str] = ()) -> Weighed:
        """Build and weigh the network of these values; the same seed gives the same weights.

        ``classes`` stand in for those of the data.

        Raises:
            ModelError: it cannot be built, or has no int8 file.
            EdgekitError: see ``Gauge.costs``.
        """
        with self._one:
            return self._weighed(values, classes or self.school.data(self.family.card.contract).classes)

    def require_possible(self, classes: Sequence[str]) -> None:
        """Raise UsageError if not even the smallest networks of the space meet the budget, for these classes."""
        found: list[tuple[float, Values]] = []
        failure: ModelError | RuntimeCrashError | None = None
        for values in self.family.space.least():
            try:
                found.append((self._over(values, classes), values))
            except (ModelError, RuntimeCrashError) as exc:  # of some values only, it may be
                failure = exc
                continue
            if not found[-1][0]:
                return
        if not found and failure is not None:
            raise failure
        over, values = min(found, key=lambda one: one[0])
        for axis in self.family.space.axes:  # a long stride, or a large kernel, may leave less
            if axis.are_numbers:
                with suppress(ModelError, RuntimeCrashError):
                    other = {**values, axis.name: axis.values[-1]}
                    over, values = min((over, values), (self._over(other, classes), other), key=lambda one: one[0])
        if over:
            raise UsageError(
                f"Nothing in the space of {self.family.card.name} meets the budget: the smallest, for {len(classes)} "
                f"classes, has {self.weigh(values, classes).costs}."
            )

    def _over(self, values: Values, classes: Sequence[str]) -> float:
        """By how much of its limits a network is beyond them; 0 if it is not."""
        return sum(self.weigh(values, classes).costs.beyond(self.gauge.limits).values())

    def _weighed(self, values: Values, classes: Sequence[str]) -> Weighed:
        import torch

        candidate = self.family.candidate(values)
        torch.manual_seed(self.school.seed)
        network = self.family.build(candidate, len(classes))
        try:
            model = untrained_int8(network, candidate.contract, classes, self.weights)
        except EdgekitError:
            raise
        except Exception as exc:  # tracing runs the user's own code
            raise ModelError(f"{candidate} cannot be exported: {first_line(exc)}.") from exc
        key = sha256_bytes(f"{network!r} {candidate.contract} {candidate.is_shrunk}".encode() + model)
        return Weighed(candidate, network, self.gauge.costs(model), key)
