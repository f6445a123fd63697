"""What is known of a processor's core: instructions that layers execute on it, and the cycles that these take.

``devices/cores/CORE.toml`` has a ``[[kernels]]`` table for each runtime and precision. Its ``instructions`` are
counted, in an emulator: executed per unit of each feature of a workload. Its ``[[kernels.rates]]``, one for each number
of threads, are fitted to latencies that others have published, by ``benchmarks/devices/fit.py``. With the clock and the
memory of a board they make its latency tables, so a board of a known core needs no latencies of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgekit.catalog import catalog_folder, read_toml
from edgekit.devices.cards import Hardware
from edgekit.devices.latency.model import LatencyTable, part_of
from edgekit.devices.latency.workload import PRECISIONS
from edgekit.recipe import known_keys

XNNPACK = "tflite-xnnpack"
WITHOUT_DOT_PRODUCTS = {"cortex-a76": "cortex-a72"}
"""XNNPACK has no dot products for the older uint8 quantization: it executes there what it executes on the other core
(7,158,903 instructions of a MobileNet, and 7,159,281: ``benchmarks/devices/counts.json``)."""


@dataclass(frozen=True)
class Rates:
    """What a core's instructions and a board's bytes cost on a number of threads.

    Attributes:
        cycles: by part (``PARTS``), the cycles of one instruction; of ``weights`` and ``values``, how many times as
            long as in memcpy a byte takes; of ``layers``, the cycles in which threads wait for each other at each.
        spread, doubt: what the interval comes from, as in ``LatencyTable``, where ``spread`` is ``high``.
        fitted_on, rows, families, smallest, median_error, p90_error: as in ``LatencyTable``.
    """

    threads: int
    cycles: Mapping[str, float]
    doubt: Mapping[str, float]
    spread: float
    fitted_on: str
    rows: int
    families: int
    smallest: float = 0.0
    median_error: float | None = None
    p90_error: float | None = None


@dataclass(frozen=True)
class Kernels:
    """A runtime's kernels in one precision: ``instructions`` per unit of each feature, and ``rates`` by threads."""

    runtime: str
    precision: str
    instructions: Mapping[str, float]
    rates: tuple[Rates, ...]

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], source: str) -> Kernels:
        """Read a ``[[kernels]]`` table.

        Raises:
            UnknownNameError: it has an unknown key.
        """
        known = known_keys(cls, document, f"{source} [[kernels]]")
        rates = tuple(Rates(**known_keys(Rates, item, f"{source} [[kernels.rates]]")) for item in known["rates"])
        return cls(**{**known, "rates": rates})

    def table(self, rates: Rates, hardware: Hardware) -> LatencyTable:
        """The latency table of a board with this core."""
        cycle_ns = 1e3 / hardware.clock_mhz
        byte_ns = PRECISIONS[self.precision] / hardware.bandwidth_gbs
        coefficients = {
            name: count * rates.cycles[part_of(name)] * cycle_ns for name, count in self.instructions.items()
        }
        coefficients |= {name: rates.cycles[name] * byte_ns for name in ("weights", "values")}
        coefficients["layers"] = rates.cycles["layers"] * cycle_ns
        return LatencyTable(
            runtime=self.runtime,
            precision=self.precision,
            threads=rates.threads,
            coefficients=coefficients,
            fitted_on=rates.fitted_on,
            rows=rates.rows,
            families=rates.families,
            median_error=rates.median_error,
            p90_error=rates.p90_error,
            low=1 / rates.spread,
            high=rates.spread,
            doubt=rates.doubt,
            smallest=rates.smallest,
            instructions=self.instructions,
        )


def core_tables(hardware: Hardware) -> tuple[LatencyTable, ...]:
    """The latency tables of a board, none if nothing is known of its core."""
    found = _kernels(hardware.core)
    known = (*found, *_of_older_files(hardware.core, found))
    return tuple(kernels.table(rates, hardware) for kernels in known for rates in kernels.rates)


def _kernels(core: str) -> tuple[Kernels, ...]:
    path = core_file(core)
    return tuple(Kernels.from_dict(item, str(path)) for item in read_toml(path)["kernels"]) if path.is_file() else ()


def _of_older_files(core: str, found: Sequence[Kernels]) -> Iterator[Kernels]:
    """The kernels for uint8, which are as those for int8 but for dot products."""
    plain = _kernels(WITHOUT_DOT_PRODUCTS.get(core.lower(), core))
    for one in found:
        if one.precision == "int8":
            others = plain if one.runtime == XNNPACK else found
            like = next(other for other in others if (other.runtime, other.precision) == (one.runtime, "int8"))
            yield replace(one, precision="uint8", instructions=like.instructions)


def known_cores() -> list[str]:
    """The names of the cores of which something is known."""
    return sorted(path.stem for path in core_file("").parent.glob("*.toml"))


def core_file(core: str) -> Path:
    """Where what is known of a core stands, if anything is."""
    return catalog_folder("devices") / "cores" / f"{core.lower()}.toml"
