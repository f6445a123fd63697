"""bfloat16 where the processor multiplies it natively; elsewhere it would only be emulated."""

from __future__ import annotations

import torch


def has_bf16() -> bool:
    """True if this processor has bfloat16 instructions (AVX-512 BF16 or AMX)."""
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def fast_precision() -> torch.autocast:
    """While it is entered, networks multiply in bfloat16 if this processor has it, in float32 if not."""
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=has_bf16())
