"""Which instructions the runtimes multiply 8-bit values with: LiteRT and ONNX Runtime choose by the same features."""

from __future__ import annotations

from collections.abc import Collection

KERNELS = {
    "amx_int8": "AMX: tiles of 8-bit products",
    "avx512_vnni": "AVX-512 VNNI: sums of four 8-bit products in one instruction",
    "avx_vnni": "AVX-VNNI: sums of four 8-bit products in one instruction",
    "avx2": "AVX2, which has no 8-bit sums: int8 gains little over float, and int8 ONNX files of others may saturate",
    "i8mm": "I8MM: matrix products of 8-bit values",
    "asimddp": "SDOT: sums of four 8-bit products in one instruction",
    "asimd": "plain NEON, which has no 8-bit sums: int8 gains less over float than on newer cores",
    "neon": "plain 32-bit NEON, which has no 8-bit sums",
}
"""By the feature of the processor, as /proc/cpuinfo calls it, the best first."""


def int8_kernels(features: Collection[str]) -> str:
    """What is used on a processor with these features."""
    return next((text for feature, text in KERNELS.items() if feature in features), "plain C")
