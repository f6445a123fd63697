"""Small image files and folders of them, made for each test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SaveImage = Callable[..., Path]


@pytest.fixture
def save_image() -> SaveImage:
    """Save noise as an image file; the seed makes it differ from others."""

    def save(path: Path, size: tuple[int, int] = (12, 10), mode: str = "RGB", seed: int = 0) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
        Image.fromarray(pixels).convert(mode).save(path)
        return path

    return save


@pytest.fixture
def flowers(tmp_path: Path, save_image: SaveImage) -> Path:
    """A folder of two class folders with twelve photos each."""
    for label, name in enumerate(("rose", "tulip")):
        for index in range(12):
            save_image(tmp_path / "flowers" / name / f"{index}.png", seed=100 * label + index)
    return tmp_path / "flowers"
