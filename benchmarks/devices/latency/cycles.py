"""Cycles of an instruction and time of a byte, for every core, runtime, precision and number of threads at once.

The logarithm of each rate is a sum of effects: of the core, of the precision, of both together and so on. An effect is
expected to be near its mean, as far as its deviation says, and the published rows move it from there (maximum a
posteriori with normal priors, by Gauss and Newton's method; rows far off weigh less, after Huber). So a cell with few
rows or none takes after those that it shares effects with, and the posterior says how well each rate is known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import NamedTuple

import numpy as np

from edgekit.devices.latency.model import PARTS, Array

NOISE = 0.08
"""How far a latency is from what all rates would give, a standard deviation of its logarithm."""
FAR = 1.5
"""Rows that are farther off than so many deviations weigh less."""
STEPS, CONVERGED = 40, 1e-4
CYCLES = {"Cortex-A53": 1.3, "Cortex-A72": 0.9, "Cortex-A76": 0.55}
"""Cycles that an instruction is expected to take."""


class Effect(NamedTuple):
    """A share of the logarithm of rates, before anything is known: ``deviation`` is that from ``mean``."""

    name: str
    mean: float
    deviation: float


@dataclass(frozen=True, order=True)
class Cell:
    """What rates are for."""

    core: str
    kernels: str
    precision: str
    threads: int

    def effects(self) -> Mapping[str, tuple[Effect, ...]]:
        """The effects that each of PARTS is the sum of."""
        core, kernels, precision, how = self.core, self.kernels, self.precision, f"{self.kernels} {self.precision}"
        alone = (
            Effect(f"cycles {core}", log(CYCLES[core]), 0.5),
            Effect(f"cycles {precision}", 0, 0.2),
            Effect(f"cycles {core} {precision}", 0, 0.12),
            Effect(f"cycles {kernels}", 0, 0.15),
            Effect(f"cycles {how}", 0, 0.1),
        )
        shared, memory = self._threads()
        products = alone + shared
        depthwise = (Effect("depthwise", 0, 0.3), Effect(f"depthwise {how}", 0, 0.2))
        depthwise += tuple(Effect(f"depthwise {name}", 0, 0.15) for name in (core, kernels, precision))
        weights = (Effect("weights", log(0.5), 0.5), Effect(f"weights {core}", 0, 0.3))
        values = (Effect("values", log(0.3), 0.7), Effect(f"values {core}", 0, 0.35), Effect(f"values {how}", 0, 0.4))
        return {
            "products": products,
            "depthwise": products + depthwise,
            "sort": alone,
            "rest": (*products, Effect("rest", 0, 0.2), Effect(f"rest {how}", 0, 0.3)),
            "weights": weights + memory,
            "values": values + memory,
            "layers": self._layers(how),
        }

    def _threads(self) -> tuple[tuple[Effect, ...], tuple[Effect, ...]]:
        """By how much several threads are faster, at instructions and at bytes."""
        count = self.threads
        if count == 1:
            return (), ()
        shared = tuple(Effect(f"{count} threads {name}", 0, 0.1) for name in (self.core, self.precision))
        memory = (Effect(f"{count} threads bytes", -0.5 * log(count), 0.3),)
        return (
            (Effect(f"{count} threads", -0.9 * log(count), 0.2), *shared),
            (*memory, Effect(f"{count} threads bytes {self.core}", 0, 0.2)),
        )

    def _layers(self, how: str) -> tuple[Effect, ...]:
        """The cycles at each layer beside its instructions; with several threads, these wait for each other there."""
        if self.threads == 1:
            return (Effect("layers", log(1500), 0.5), Effect(f"layers {self.core}", 0, 0.2))
        names = ((f"waiting {self.threads} threads", 0.3), (f"waiting {self.core}", 0.2), (f"waiting {how}", 0.3))
        return (Effect("waiting", log(9000), 0.7), *(Effect(name, 0, deviation) for name, deviation in names))


@dataclass(frozen=True)
class Solution:
    """The effects' values and their covariance."""

    places: Mapping[str, int]
    values: Array
    covariance: Array

    def rates(self, cell: Cell) -> tuple[Array, Array]:
        """The rates of a cell by PARTS, and the standard deviation of each one's logarithm."""
        design = _design(cell, self.places)
        return np.exp(design @ self.values), np.sqrt(np.einsum("ij,jk,ik->i", design, self.covariance, design))


def solve(cells: Sequence[Cell], costs: Array, times: Array, wanted: Sequence[Cell] = ()) -> Solution:
    """The effects that explain latencies best.

    Args:
        cells: what each latency was measured on, n of them.
        costs: how many units of PARTS each one's network has, each in milliseconds at a rate of 1, [n, len(PARTS)].
        times: the latencies in milliseconds, [n].
        wanted: cells whose rates will be asked for, also without a latency.
    """
    known = {effect.name: effect for cell in (*cells, *wanted) for part in cell.effects().values() for effect in part}
    places = {name: place for place, name in enumerate(known)}
    means, deviations = (np.array([getattr(effect, key) for effect in known.values()]) for key in ("mean", "deviation"))
    designs = {cell: _design(cell, places) for cell in cells}
    design = np.array([designs[cell] for cell in cells])  # [n, parts, effects]
    values = means.copy()
    precision = np.diag(deviations**-2)
    for _ in range(STEPS):
        parts = costs * np.exp(design @ values)
        total = parts.sum(axis=1)
        slopes = np.einsum("np,npe->ne", parts / total[:, None], design)
        errors = np.log(times) - np.log(total)
        weights = 1 / np.maximum(1, np.abs(errors) / (FAR * NOISE)) / NOISE**2
        curvature = (slopes.T * weights) @ slopes + precision
        step = np.linalg.solve(curvature, slopes.T @ (weights * errors) - precision @ (values - means))
        values = values + step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < CONVERGED:
            break
    return Solution(places, values, np.linalg.inv(curvature))


def _design(cell: Cell, places: Mapping[str, int]) -> Array:
    """Which effects each of PARTS is the sum of, [parts, effects]."""
    design = np.zeros((len(PARTS), len(places)))
    for row, part in enumerate(PARTS):
        for effect in cell.effects()[part]:
            design[row, places[effect.name]] = 1
    return design
