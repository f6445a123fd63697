"""Fixtures that several parts of the suite share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgekit.data.dataset import Dataset
from edgekit.data.mnist import open_mnist


@pytest.fixture(scope="session")
def mnist() -> Dataset:
    return open_mnist()


@pytest.fixture(scope="session")
def small_mnist(mnist: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,200 training, 300 validation and 300 test images of MNIST as one .npz file."""
    path = tmp_path_factory.mktemp("data") / "small.npz"
    arrays = {}
    for name, split, count in (("train", mnist.train, 1200), ("val", mnist.validation, 300), ("test", mnist.test, 300)):
        assert split.labels is not None
        arrays[f"x_{name}"] = split.images[np.arange(count)]
        arrays[f"y_{name}"] = split.labels[:count]
    np.savez_compressed(path, **arrays)
    return path


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or fills the user's cache of teacher answers."""
    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
