"""Sums of sixteen channels side by side, and how they become stored results: processors/ says in C what adds them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgekit.conversion.c.fixed_point import Factor
from edgekit.conversion.c.layer import RESCALING, Site, array

WIDTH = 16
BY_FOURS = 4
"""So many values of one channel are multiplied together."""
TOGETHER = 8
"""Of so many channels weights are read at once."""
NEAR = 22
"""Places to the right by which a zero point may be moved to the left."""
PROCESSORS = {
    path.stem: path.read_text(encoding="utf-8") for path in (Path(__file__).parent / "processors").glob("*.h")
}
SUMS = """\
/* Sums of 16 channels side by side, in what registers the compiler may use; n channels of them count, and all answer
   the same. PLACES of an image are summed at the same time. OFFSET is what products add to inputs, and biases make up
   for it. PLAIN_C does without. */
#if !defined(PLAIN_C) && defined(__AVX512VNNI__) && defined(__AVX512VL__) && defined(__AVX512BW__)
{avx512}#else
#if !defined(PLAIN_C) && defined(__GNUC__) && (defined(__SSE2__) || defined(__wasm_simd128__) || defined(__ARM_NEON))
{registers}
#if defined(__ARM_NEON)
{neon}#elif defined(__AVX2__)
{avx2}#else
#ifdef __SSE2__
{sse2}#else
{wasm}#endif

{pairs}#endif

{vectors}#else
{plain}#endif

{scalar}#endif

/* The largest part of count places, all as large as the others or nearly so, that is at most PLACES. */
#define TILES(count) (((count) + PLACES - 1) / PLACES)
#define TILE(count) (((count) + TILES(count) - 1) / TILES(count))
""".format_map(PROCESSORS)
RAISED = """\
/* Sums times 2^exponent, of those that are positive. */
INLINE sums raised(sums sum, const int8_t *exponent, int each, int n)
{
    int32_t value[16];
    memcpy(value, &sum, sizeof value);
    for (int o = 0; o < n; ++o) {
        value[o] = (int32_t)((uint32_t)value[o] << (exponent[o * each] > 0 ? exponent[o * each] : 0));
    }
    memcpy(&sum, value, sizeof value);
    return sum;
}
"""


@dataclass(frozen=True)
class Factors:
    """What the sums of each channel of a layer, or of all, are multiplied by to be stored; none is beyond ``most``."""

    site: Site
    items: tuple[Factor, ...]
    most: int

    @property
    def constants(self) -> tuple[str, ...]:
        """Their arrays."""
        return (
            array("int32_t", f"{self.site.name}_multiplier", np.array([item.mantissa for item in self.items])),
            array("int8_t", f"{self.site.name}_exponent", np.array([item.exponent for item in self.items])),
        )

    @property
    def helpers(self) -> tuple[str, ...]:
        """What ``store`` calls."""
        return (*RESCALING, SUMS, *([RAISED] if self._rise else []))

    def store(self, value: str, out: str, first: str = "") -> str:
        """The C statements that store n sums, of the channels from ``first`` on."""
        name, each = self.site.name, int(len(self.items) > 1)
        multiplier, exponent = (f"{name}_{part}{f' + {first}' * each}" for part in ("multiplier", "exponent"))
        low, high = self.site.range
        rise = f"{value} = raised({value}, {exponent}, {each}, n);\n" if self._rise else ""
        zero_point = self.site.quant().zero_point
        return (
            f"{rise}store_scaled{'_near' * self._near}({value},\n    {multiplier},\n    {exponent},\n"
            f"    {each}, {zero_point}, {low}, {high}, {out}, n);\n"
        )

    @property
    def _rise(self) -> bool:
        return any(item.exponent > 0 for item in self.items)

    @property
    def _near(self) -> bool:
        """True if results need no care for the least and the greatest factors."""
        return self.most < 1 << 30 and all(item.mantissa and 1 <= item.right <= NEAR for item in self.items)
