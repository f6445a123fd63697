"""A student to deploy, and pictures of digits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgekit.data.dataset import Dataset

STUDENT = Path(__file__).parents[2] / "students" / "mnist-tiny"


@pytest.fixture(scope="session")
def tflite() -> Path:
    """The int8 .tflite file of mnist-tiny."""
    return STUDENT / "model.int8.tflite"


@pytest.fixture(scope="session")
def onnx() -> Path:
    """The int8 .onnx file of mnist-tiny."""
    return STUDENT / "model.int8.onnx"


@pytest.fixture(scope="session")
def digits(mnist: Dataset, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three digits (7, 2, 1) as files: in MNIST's form, and dark on light and larger as PNG and JPEG."""
    folder = tmp_path_factory.mktemp("pictures")
    seven, two, one = (Image.fromarray(mnist.test.images[index][..., 0]) for index in range(3))
    paths = [folder / name for name in ("seven.png", "two.png", "one.jpg")]
    seven.save(paths[0])
    for image, path in ((two, paths[1]), (one, paths[2])):
        paper = Image.new("L", (200, 160), 230)
        paper.paste(Image.fromarray(230 - np.array(image.resize((112, 112))) // 2), (40, 20))
        paper.convert("RGB").save(path)
    return paths
