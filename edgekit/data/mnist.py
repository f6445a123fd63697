"""MNIST, carried by the package as its four gzipped IDX files (LeCun, Cortes, Burges; CC BY-SA 3.0)."""

from __future__ import annotations

from pathlib import Path

from edgekit.data.dataset import Dataset
from edgekit.data.idx import open_idx

FOLDER = Path(__file__).parent / "embedded"
DIGITS = tuple("0123456789")


def open_mnist() -> Dataset:
    """60,000 training images (5,001 of them held out for validation) and 10,000 test images, 28×28×1."""
    return open_idx(FOLDER, "mnist", DIGITS)
