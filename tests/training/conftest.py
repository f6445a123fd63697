from __future__ import annotations

import numpy as np
import pytest

from edgekit.data.dataset import Dataset


@pytest.fixture(scope="module")
def arrays(mnist: Dataset) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The first digits of each split, as a program has them in hand."""
    parts = {}
    for name, count in (("train", 640), ("validation", 100), ("test", 100)):
        split = getattr(mnist, name)
        assert split.labels is not None
        parts[name] = (split.images[:count], split.labels[:count])
    return parts
