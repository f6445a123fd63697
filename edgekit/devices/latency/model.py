"""The latency model: a network takes the sum of what its features cost, each at a rate of the device.

The rates are fitted to networks of known latency by least squares of the relative error, with no rate below zero, so
every one keeps a meaning (nanoseconds per multiply-accumulate, per value read or written, per layer).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.devices.latency.workload import BEYOND, KINDS, Workload
from edgekit.errors import EdgekitError
from edgekit.recipe import known_keys

Array = NDArray[np.float64]

COVERAGE = 0.9
"""The share of networks whose latency lies within the interval of a prediction."""

SUMS: Mapping[str, tuple[str, ...]] = {
    "weights": tuple(f"{kind}.weights" for kind in KINDS),
    "values": tuple(f"{kind}.{side}" for kind in KINDS for side in ("inputs", "outputs")),
    "layers": tuple(f"{kind}.layers" for kind in KINDS),
}
"""Features that are sums over all kinds. Any key of ``Workload.sums`` is a feature too; ``constant`` is 1."""

PARTS = ("products", "depthwise", "sort", "rest", *SUMS)
"""What a network's cost is made of: the instructions of matrix products, of depthwise layers, of sorting (which one
thread does) and of the rest, which brings values to where they are multiplied; then what ``SUMS`` has."""
PRODUCTS = ("macs", "tiles", "padded", "uneven", "gathered", "ragged")

FINE = (
    *(
        f"{kind}.{part}"
        for kind in ("conv", "pointwise")
        for part in ("macs", "tiles", "padded", "patches", "rows", "outputs", "weights", "layers")
    ),
    *(f"depthwise.{part}" for part in ("macs", "tiles", "gathered", "rows", "columns", "inputs", "outputs", "layers")),
    "conv.taps",
    *("dense.weights", "dense.uneven", "dense.outputs", "dense.layers"),
    *("pool.patches", "pool.rows", "pool.outputs", "pool.layers"),
    *(
        f"{kind}.{part}"
        for kind in ("elementwise", "activation", "move", "other")
        for part in ("rows", "outputs", "layers")
    ),
    *("sort.inputs", "constant"),
)
"""Features that take many measured networks."""

FINE_IN_BLOCKS = (*FINE, "depthwise.ragged", "depthwise.ragged_columns")
"""Of a runtime that computes depthwise layers in blocks of channels, and slowly where these are not full."""

MEASURED = (
    *(*FINE_IN_BLOCKS, "conv.copied", "depthwise.places"),
    *("conv.ragged", "pointwise.ragged", "pool.loose", "move.loose"),
    *BEYOND,
)
"""Features of what was measured, of which runtimes have some each: one computes in blocks of channels, and in another
order where these are not full; its integer kernels copy windows that they cannot take as they are, and list the places
of all others.
"""

MAX_STEPS = 500

WIDE, WIDE_DIGITS, DIGITS = 0.2, 2, 3
"""An interval of this share of the latency leaves so many significant digits, a narrower one so many."""


@dataclass(frozen=True)
class LatencyTable:
    """One ``[[latency]]`` table of a device card: a fitted model for one runtime, precision and number of threads.

    Attributes:
        coefficients: nanoseconds per unit of each feature.
        fitted_on: what it was fitted on, in words.
        rows: how many latencies that were, of networks of how many ``families``.
        median_error: median relative error of networks whose family was held out; None if none could be.
        p90_error: what 90% of these errors are below.
        low, high: factors on the prediction between which COVERAGE of the networks lie.
        doubt: by part (``PARTS``), how far off its rates may be, as a share and with COVERAGE. A network that mostly
            consists of a doubtful part gets a wider interval.
        smallest: millions of multiply-accumulates of the smallest network that it was tested on.
        instructions: executed per unit of each feature, where the rates come from these.
    """

    runtime: str
    precision: str
    threads: int
    coefficients: Mapping[str, float]
    fitted_on: str
    rows: int
    families: int
    median_error: float | None
    p90_error: float | None
    low: float
    high: float
    doubt: Mapping[str, float] = field(default_factory=dict)
    smallest: float = 0.0
    instructions: Mapping[str, float] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if not 0 < self.low <= 1 <= self.high:
            raise EdgekitError(f"The interval {self.low} to {self.high} of a [[latency]] table must hold 1.")
        if not self.coefficients or min(self.coefficients.values()) < 0:
            raise EdgekitError("The coefficients of a [[latency]] table must be there and none below 0.")

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], source: str) -> LatencyTable:
        """Read a table of a card.

        Raises:
            EdgekitError: it lacks a key or has one of the wrong type.
        """
        values = {"median_error": None, "p90_error": None, **known_keys(cls, document, f"{source} [[latency]]")}
        try:
            return cls(**values)
        except (TypeError, AttributeError) as exc:
            raise EdgekitError(
                f"A [[latency]] table of {source} is wrong ({exc}); make it anew with 'edgekit devices calibrate'."
            ) from exc

    def to_dict(self) -> dict[str, Any]:
        """Plain values without those that say nothing, for TOML and JSON."""
        known = {key: value for key, value in asdict(self).items() if value not in (None, {})}
        return {key: value for key, value in known.items() if key != "instructions"}

    def predict(self, workload: Workload) -> Prediction:
        """The latency of a network."""
        names = tuple(self.coefficients)
        costs = features(workload, names) * np.array([self.coefficients[name] for name in names]) / 1e6
        latency = float(costs.sum())
        parts: dict[str, float] = defaultdict(float)
        for name, cost in zip(names, costs, strict=True):
            parts[part_of(name)] += float(cost)
        doubts = [part / latency * self.doubt.get(name, 0.0) for name, part in parts.items()]
        low, high = (
            math.exp(sign * math.hypot(math.log(factor), *doubts)) for sign, factor in ((-1, self.low), (1, self.high))
        )
        expected = tuple(self.instructions)
        instructions = float(features(workload, expected) @ np.array([self.instructions[name] for name in expected]))
        busy = latency - sum(parts.get(name, 0.0) for name in SUMS)
        return Prediction(latency, latency * low, latency * high, self, instructions=instructions, busy_ms=busy)


@dataclass(frozen=True)
class Prediction:
    """Milliseconds of one inference, and the interval that COVERAGE of such predictions hold true in.

    ``remark`` says why the interval may not hold for this network. ``instructions`` are those that it rests on, or 0 if
    it does not, and ``busy_ms`` what they take; ``is_counted`` says whether they were counted.
    """

    latency_ms: float
    low_ms: float
    high_ms: float
    table: LatencyTable
    remark: str = ""
    instructions: float = 0.0
    busy_ms: float = 0.0
    is_counted: bool = False

    def counted(self, instructions: int) -> Prediction:
        """The same, resting on instructions that an emulator counted in this very file."""
        if not self.instructions:
            return self
        busy = self.busy_ms * instructions / self.instructions
        share = 1 + (busy - self.busy_ms) / self.latency_ms
        latencies = (self.latency_ms * share, self.low_ms * share, self.high_ms * share)
        return Prediction(*latencies, self.table, self.remark, instructions, busy, is_counted=True)

    def __str__(self) -> str:
        digits = WIDE_DIGITS if self.high_ms - self.low_ms > WIDE * self.latency_ms else DIGITS
        middle, low, high = (rounded(value, digits) for value in (self.latency_ms, self.low_ms, self.high_ms))
        return f"{middle} ms ({low}–{high}, predicted)"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {**asdict(self), "table": self.table.to_dict(), "provenance": "predicted", "coverage": COVERAGE}


def rounded(value: float, digits: int) -> str:
    """A number above 0 with so many significant digits, and no exponent."""
    value = float(f"{value:.{digits}g}")  # first, so that 0.996 is 1.0 and not 1.00
    return f"{value:.{max(0, digits - 1 - math.floor(math.log10(value)))}f}"


def part_of(feature: str) -> str:
    """The part of the cost (``PARTS``) that a feature counts for."""
    kind, _, quantity = feature.partition(".")
    return kind if kind in PARTS else "products" if quantity in PRODUCTS else "rest"


def features(workload: Workload, names: Sequence[str]) -> Array:
    """The values of features of a network, float64 [len(names)]."""
    sums = {**workload.sums(), "constant": 1.0}
    return np.array([sum(sums.get(key, 0.0) for key in SUMS.get(name, (name,))) for name in names])


def fit_rates(matrix: Array, times: Array, strength: float = 0.01, share: Array | None = None) -> Array:
    """Rates, none below zero, with which ``matrix @ rates`` comes nearest to ``times`` in relative terms.

    Args:
        matrix: features of networks, [n, features].
        times: their latencies, [n], all above 0.
        strength: how many networks' worth of error, as a share of n, it costs that a feature explains all of them:
            so of features that are alike, none gets a large rate.
        share: what part of the latency a row is to come to, [n]; all of it if none is given.
    """
    relative = matrix / times[:, None]
    scale = 1 / np.maximum(np.sqrt((relative**2).mean(axis=0)), 1e-300)
    count = matrix.shape[1]
    goal = np.ones(len(times)) if share is None else share
    rows = np.vstack([relative * scale, np.eye(count) * np.sqrt(strength * len(times))])
    rates: Array = least_squares(rows, np.concatenate([goal, np.zeros(count)])) * scale
    return rates


def least_squares(matrix: Array, goal: Array) -> Array:
    """The x ≥ 0 that minimizes |matrix · x − goal|, by Lawson and Hanson's active sets (1974, chapter 23)."""
    x = np.zeros(matrix.shape[1])
    free = np.zeros(len(x), bool)
    for _ in range(MAX_STEPS):
        slope = matrix.T @ (goal - matrix @ x)
        slope[free] = 0
        best = int(np.argmax(slope))
        if slope[best] <= 1e-9:
            break
        free[best] = True
        while True:
            wanted = np.zeros(len(x))
            wanted[free] = np.linalg.lstsq(matrix[:, free], goal, rcond=None)[0]
            below = free & (wanted <= 0)
            if not below.any():
                break
            share = float((x[below] / (x[below] - wanted[below] + 1e-300)).min())
            x += share * (wanted - x)
            free &= x > 1e-12
        x = wanted
    return x
