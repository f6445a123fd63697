"""A candidate built and weighed: what it costs is known before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

from edgekit.errors import EdgekitError, ModelError, UsageError
from edgekit.quantization.untrained import untrained_int8
from edgekit.runtimes.refusal import first_line
from edgekit.scales import WEIGHT_BITS
from edgekit.search.costs import Costs, Gauge
from edgekit.search.family import Candidate, Family
from edgekit.search.school import School
from edgekit.search.space import Values

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Weighed:
    """A candidate, its fresh network, and its costs."""

    candidate: Candidate
    network: nn.Module
    costs: Costs


@dataclass(frozen=True)
class Scales:
    """What candidates of a family are weighed with, one at a time: torch's chance and tracer are the process's.

    ``per_tensor`` and ``weight_bits`` are those of ``QuantizeOptions``.
    """

    family: Family
    school: School
    gauge: Gauge
    per_tensor: bool = False
    weight_bits: int = WEIGHT_BITS
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
        smallest: list[Costs] = []
        failure: ModelError | None = None
        for values in self.family.space.least():
            try:
                costs = self.weigh(values, classes).costs
            except ModelError as exc:  # of some values only, it may be
                failure = exc
                continue
            if not costs.beyond(self.gauge.limits):
                return
            smallest.append(costs)
        if not smallest and failure is not None:
            raise failure
        least = min(smallest, key=lambda one: sum(one.beyond(self.gauge.limits).values()))
        raise UsageError(
            f"Nothing in the space of {self.family.card.name} meets the budget: the smallest, for {len(classes)} "
            f"classes, has {least}."
        )

    def _weighed(self, values: Values, classes: Sequence[str]) -> Weighed:
        import torch

        candidate = self.family.candidate(values)
        torch.manual_seed(self.school.seed)
        network = self.family.build(candidate, len(classes))
        try:
            model = untrained_int8(network, candidate.contract, classes, self.per_tensor, self.weight_bits)
        except EdgekitError:
            raise
        except Exception as exc:  # tracing runs the user's own code
            raise ModelError(f"{candidate} cannot be exported: {first_line(exc)}.") from exc
        return Weighed(candidate, network, self.gauge.costs(model))
