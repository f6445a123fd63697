"""Where the benchmarks find what is not in the repository, and where their products go (both ignored by git)."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("EDGEKIT_SHARED", ROOT.parent / "shared"))
"""CIFAR-10, photos of clothes and the weights of ResNet-56, in the layout that docs/benchmarks.md gives."""
ENVIRONMENTS = ROOT / ".venvs"
PRETRAINED = ENVIRONMENTS / "pretrained"
PRODUCTS = ROOT / "runs" / "benchmarks" / "quantize"
MODELS, DATA, FILES = PRODUCTS / "models", PRODUCTS / "data", PRODUCTS / "files"
