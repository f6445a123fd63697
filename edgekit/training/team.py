"""Processes that train one network together: each learns its part of every batch, and all take the same step.

This is data parallelism by torch's DistributedDataParallel (Li et al. 2020): gradients are averaged over the processes
while they are computed. Normalisation sees the part, not the batch; its running figures are those of the first process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn


def _nowhere(folder: Path) -> None:
    """Whoever trains here finds the run's folder here."""


@dataclass(frozen=True)
class Team:
    """This process is number ``rank`` of ``size``, which are connected (``torch.distributed``) if it is not alone.

    ``stored`` is told the run's folder whenever an epoch is in it.
    """

    rank: int = 0
    size: int = 1
    stored: Callable[[Path], None] = _nowhere

    def part(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """What this process learns of a batch."""
        return rows[self.rank :: self.size]

    def learner(self, model: nn.Module) -> nn.Module:
        """What is called in place of the network to learn."""
        if self.size == 1:
            return model
        from torch.nn.parallel import DistributedDataParallel

        return DistributedDataParallel(model)

    def sum(self, *values: float) -> Sequence[float]:
        """Each value summed over all processes, which ask at the same time."""
        if self.size == 1:
            return values
        import torch
        from torch import distributed

        sums = torch.tensor(values, dtype=torch.float64)
        distributed.all_reduce(sums)
        return [float(value) for value in sums]
